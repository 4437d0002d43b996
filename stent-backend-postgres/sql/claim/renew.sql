-- $1, $2: tasks and tokens; $3: when the leases run out now. What another holds is left to a later statement: one lease waits for no other.
UPDATE tasks
SET lease_until = $3::timestamp
WHERE id = ANY (ARRAY(
    SELECT own.id
    FROM unnest($1::uuid[], $2::uuid[]) AS claims (task, token)
    CROSS JOIN LATERAL (
        SELECT t.id
        FROM tasks AS t
        -- The fence.
        WHERE t.id = claims.task AND t.state = 'running' AND t.token = claims.token
        FOR NO KEY UPDATE OF t SKIP LOCKED
    ) AS own
))
RETURNING id;
