-- $1: executions whose states are asked for.
SELECT asked.number - 1 AS key, root.id, root.state, root.started_at, root.output, root.failure, root.ended_at
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
-- OFFSET 0: looked up one by one, whatever the planner thinks of how many there are.
CROSS JOIN LATERAL (SELECT t.* FROM tasks AS t WHERE t.id = asked.id OFFSET 0) AS root
WHERE root.parent IS NULL AND NOT root.deleting;
