-- $1: worker; $2: now. In the order in which every transaction locks tasks. What another holds is left to a later statement: the others are free at once.
UPDATE tasks
SET lease_until = least(lease_until, $2::timestamp)
WHERE id = ANY (ARRAY(
    SELECT t.id
    FROM tasks AS t
    WHERE t.state = 'running' AND t.worker = $1::uuid
    ORDER BY t.depth DESC, t.id
    FOR NO KEY UPDATE OF t SKIP LOCKED
))
RETURNING id;
