-- ?1: rows of tasks that have completed, in their order; ?2: now.
INSERT INTO memos (key, value, expires_at)
SELECT t.memo_key,
       t.output,
       -- At most the last time there is.
       CASE WHEN t.memo_ttl IS NOT NULL THEN min(?2 + t.memo_ttl, 253402300799999999) END
FROM json_each(?1) AS ended
CROSS JOIN tasks AS t ON t.row = ended.value
WHERE TRUE
ORDER BY ended.key
-- The first stored wins, until it expires.
ON CONFLICT (key) DO UPDATE
SET value = excluded.value, owner = NULL, expires_at = excluded.expires_at
WHERE memos.value IS NULL OR memos.expires_at <= ?2;
