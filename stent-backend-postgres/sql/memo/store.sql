-- $1: tasks that have completed, in their order; $2: now.
INSERT INTO memos (key, value, expires_at)
SELECT DISTINCT ON (t.memo_key)
    t.memo_key,
    t.output,
    -- At most the last time there is. Seconds apart from what is left, because an interval is multiplied by a floating-point number.
    CASE WHEN t.memo_ttl IS NOT NULL THEN
        least($2::timestamp + t.ttl / 1000000 * interval '1 second' + t.ttl % 1000000 * interval '1 microsecond',
              timestamp '9999-12-31 23:59:59.999999')
    END
FROM unnest($1::uuid[]) WITH ORDINALITY AS ended (task, number)
CROSS JOIN LATERAL (
    SELECT c.memo_key, c.output, c.memo_ttl, least(c.memo_ttl, 253402300799999999) AS ttl
    FROM tasks AS c
    WHERE c.id = ended.task
    OFFSET 0) AS t
-- In the order in which every transaction locks them; of those with one key the first.
ORDER BY t.memo_key, ended.number
-- The first stored wins, until it expires.
ON CONFLICT (key) DO UPDATE
SET value = excluded.value, owner = NULL, expires_at = excluded.expires_at
WHERE memos.value IS NULL OR memos.expires_at <= $2;
