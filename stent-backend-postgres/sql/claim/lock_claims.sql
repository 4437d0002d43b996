-- $1, $2: tasks and tokens. Waits for whoever holds them, in the order in which every transaction locks tasks.
SELECT t.id
FROM tasks AS t
JOIN unnest($1::uuid[], $2::uuid[]) AS claims (task, token) ON claims.task = t.id
WHERE t.id = ANY ($1) AND t.state = 'running' AND t.token = claims.token
ORDER BY t.depth DESC, t.id
FOR NO KEY UPDATE OF t;
