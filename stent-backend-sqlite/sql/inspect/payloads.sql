-- ?1: tasks whose payloads are asked for.
SELECT asked.key, t.id, t.input, t.output
FROM json_each(?1) AS asked
CROSS JOIN tasks AS t ON t.id = unhex(asked.value)
WHERE t.execution NOT IN (SELECT id FROM tasks WHERE deleting = 1);
