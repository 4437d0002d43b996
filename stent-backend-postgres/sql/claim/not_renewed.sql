-- $1, $2: tasks and tokens of claims that were not renewed. Which were cancelled, and which hold: somebody else has their rows at present.
SELECT t.id, t.state = 'cancelled' AS is_cancelled, t.state = 'running' AND t.token = claims.token AS holds
FROM unnest($1::uuid[], $2::uuid[]) AS claims (task, token)
JOIN tasks AS t ON t.id = claims.task;
