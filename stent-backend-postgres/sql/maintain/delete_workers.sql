-- $1: before which time they were last heard of; $2: how many rows at most. One that is heard of at this moment stays.
DELETE FROM workers
WHERE id = ANY (ARRAY(
    SELECT w.id
    FROM workers AS w
    WHERE w.seen_at < $1::timestamp
    LIMIT $2::bigint
    FOR UPDATE OF w SKIP LOCKED
));
