-- $1: now; $2: how many at most. Who is being promoted by another, or woken, is passed by.
UPDATE tasks
SET state = 'pending'
WHERE id = ANY (ARRAY(
    SELECT t.id
    FROM tasks AS t
    WHERE t.state IN ('scheduled', 'suspended') AND t.due IS NOT NULL AND t.due <= $1::timestamp
    ORDER BY t.due, t.id
    LIMIT $2::bigint
    FOR NO KEY UPDATE OF t SKIP LOCKED
));
