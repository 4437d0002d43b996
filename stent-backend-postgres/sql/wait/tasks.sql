-- $1: tasks whose ends are asked for.
SELECT asked.number - 1 AS key, own.*
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
-- OFFSET 0: looked up one by one, whatever the planner thinks of how many there are.
CROSS JOIN LATERAL (SELECT t.id, t.state, t.output, t.failure, t.ended_at FROM tasks AS t WHERE t.id = asked.id OFFSET 0) AS own
WHERE own.ended_at IS NOT NULL;
