-- $1: tasks whose payloads are asked for.
SELECT asked.number - 1 AS key, own.id, own.input, own.output
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
CROSS JOIN LATERAL (SELECT t.id, t.execution, t.input, t.output FROM tasks AS t WHERE t.id = asked.id OFFSET 0) AS own
WHERE own.execution NOT IN (SELECT id FROM tasks WHERE deleting);
