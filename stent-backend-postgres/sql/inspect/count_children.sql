-- $1: the parent.
SELECT function, state, count(*) AS tasks
FROM tasks
WHERE parent = $1 AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
GROUP BY function, state;
