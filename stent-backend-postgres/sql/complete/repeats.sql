-- $1, $2: tasks and tokens of claims. The states of the tasks that nobody has claimed since.
SELECT claims.number - 1 AS key, own.state, own.depth
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS claims (task, token, number)
-- OFFSET 0: looked up one by one, whatever the planner thinks of how many there are.
CROSS JOIN LATERAL (SELECT t.state, t.depth, t.token FROM tasks AS t WHERE t.id = claims.task OFFSET 0) AS own
WHERE own.token = claims.token;
