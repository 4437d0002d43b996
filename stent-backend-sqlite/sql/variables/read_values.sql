-- ?1: execution.
SELECT name, value
FROM state_values
WHERE execution = ?1 AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1);
