-- $1: tasks; $2: those of them that were seen to hold a place; $3: until when leases have run out, or NULL. Those that nobody else holds, if they are
-- still free.
SELECT t.id
FROM tasks AS t
WHERE t.id = ANY ($1::uuid[])
    AND (t.state = 'pending' OR t.state = 'running' AND t.lease_until <= $3::timestamp)
    AND (t.place OR t.id <> ALL ($2::uuid[]))
FOR NO KEY UPDATE OF t SKIP LOCKED;
