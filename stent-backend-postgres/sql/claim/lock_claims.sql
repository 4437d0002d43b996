-- $1, $2: tasks and tokens. Waits for whoever holds them, in the order in which every transaction locks tasks.
SELECT own.id
FROM (
    SELECT claims.task, claims.token
    FROM unnest($1::uuid[], $2::uuid[]) AS claims (task, token)
    -- Looked up by id, whatever the planner believes of how few tasks are running.
    CROSS JOIN LATERAL (SELECT t.depth FROM tasks AS t WHERE t.id = claims.task OFFSET 0) AS seen
    ORDER BY seen.depth DESC, claims.task
) AS claims
CROSS JOIN LATERAL (
    SELECT t.id, t.state, t.token FROM tasks AS t WHERE t.id = claims.task OFFSET 0 FOR NO KEY UPDATE OF t) AS own
WHERE own.state = 'running' AND own.token = claims.token;
