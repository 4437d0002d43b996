-- $1, $2: tasks and tokens. The turns whose claims hold, and hold from now on until the end of this transaction.
SELECT claims.number - 1 AS key, own.execution
FROM (
    -- In the order in which every transaction locks tasks.
    SELECT c.number, c.task, c.token
    FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS c (task, token, number)
    -- Looked up by id, whatever the planner believes of how few tasks are running.
    CROSS JOIN LATERAL (SELECT t.depth, t.state, t.token FROM tasks AS t WHERE t.id = c.task OFFSET 0) AS seen
    WHERE seen.state = 'running' AND seen.token = c.token
    ORDER BY seen.depth DESC, c.task
) AS claims
-- Turns of a task do not hinder each other, and claims of other tasks pass by.
CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = claims.task OFFSET 0 FOR SHARE) AS own
-- The fence, asked of the rows as they are now that they are locked.
WHERE own.state = 'running' AND own.token = claims.token;
