-- ?1: tasks that are waited for.
SELECT asked.key
FROM json_each(?1) AS asked
CROSS JOIN tasks AS t ON t.id = unhex(asked.value)
WHERE t.ended_at IS NOT NULL;
