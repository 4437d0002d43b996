-- $1: execution.
SELECT name, value
FROM state_values
WHERE execution = $1::uuid AND NOT EXISTS (SELECT 1 FROM tasks WHERE id = $1 AND deleting);
