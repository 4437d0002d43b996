-- $1, $2: tasks and tokens; $3: when the leases run out now. What another holds is left to a later statement: one lease waits for no other.
UPDATE tasks
SET lease_until = $3::timestamp
WHERE id = ANY (ARRAY(
    SELECT own.id
    FROM unnest($1::uuid[], $2::uuid[]) AS claims (task, token)
    -- Looked up by id, whatever the planner believes of how few tasks are running.
    CROSS JOIN LATERAL (
        SELECT t.id, t.state, t.token
        FROM tasks AS t
        WHERE t.id = claims.task
        OFFSET 0
        FOR NO KEY UPDATE OF t SKIP LOCKED
    ) AS own
    -- The fence, asked of the rows as they are now that they are locked.
    WHERE own.state = 'running' AND own.token = claims.token
))
RETURNING id;
