-- ?1: execution.
SELECT name, value
FROM counters
WHERE execution = ?1 AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1);
