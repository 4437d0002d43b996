SELECT asked.key, t.id, t.state, t.output, t.failure, t.ended_at
FROM json_each(?1) AS asked
CROSS JOIN tasks AS t ON t.id = unhex(asked.value)
WHERE t.ended_at IS NOT NULL;
