-- $1: keys; $2: now.
SELECT asked.number - 1 AS key, memo.value
FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (key, number)
CROSS JOIN LATERAL (SELECT m.value, m.expires_at FROM memos AS m WHERE m.key = asked.key OFFSET 0) AS memo
WHERE memo.value IS NOT NULL AND (memo.expires_at IS NULL OR memo.expires_at > $2::timestamp);
