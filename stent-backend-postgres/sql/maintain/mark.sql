-- $1: before which time they ended; $2: how many at most. From here on they are gone for everyone. One that is being redriven is passed by.
UPDATE tasks
SET deleting = TRUE
WHERE id = ANY (ARRAY(
    SELECT t.id
    FROM tasks AS t
    WHERE t.parent IS NULL AND t.ended_at IS NOT NULL AND t.ended_at < $1::timestamp AND NOT t.deleting
    ORDER BY t.ended_at, t.id
    LIMIT $2::bigint
    FOR NO KEY UPDATE OF t SKIP LOCKED
));
