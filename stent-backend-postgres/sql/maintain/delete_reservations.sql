-- $1: tasks; $2: how many rows at most. A result that was stored has no owner any more, and stays. One that another task is taking over is that one's.
DELETE FROM memos
WHERE key = ANY (ARRAY(
    SELECT m.key
    FROM memos AS m
    WHERE m.owner IS NOT NULL AND m.owner = ANY ($1::uuid[])
    LIMIT $2::bigint
    FOR UPDATE OF m SKIP LOCKED
));
