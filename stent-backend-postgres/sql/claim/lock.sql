-- $1: tasks; $2: those of them that were seen to hold a place; $3: until when leases have run out, or NULL. Those that nobody else holds, if they are
-- still free.
SELECT own.id
FROM unnest($1::uuid[]) AS given (id)
-- Looked up by id, whatever the planner believes of how few tasks are pending.
CROSS JOIN LATERAL (
    SELECT t.id, t.state, t.lease_until, t.place
    FROM tasks AS t
    WHERE t.id = given.id
    OFFSET 0
    FOR NO KEY UPDATE OF t SKIP LOCKED
) AS own
-- Asked of the rows as they are now that they are locked.
WHERE (own.state = 'pending' OR own.state = 'running' AND own.lease_until <= $3::timestamp)
    AND (own.place OR own.id <> ALL ($2::uuid[]));
