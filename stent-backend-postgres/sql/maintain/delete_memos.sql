-- $1: now; $2: how many rows at most. One that is being stored anew stays.
DELETE FROM memos
WHERE key = ANY (ARRAY(
    SELECT m.key
    FROM memos AS m
    WHERE m.expires_at IS NOT NULL AND m.expires_at <= $1::timestamp
    ORDER BY m.expires_at
    LIMIT $2::bigint
    FOR UPDATE OF m SKIP LOCKED
));
