-- ?1: keys; ?2: now.
SELECT asked.key, m.value
FROM json_each(?1) AS asked
CROSS JOIN memos AS m ON m.key = unhex(asked.value)
WHERE m.value IS NOT NULL AND (m.expires_at IS NULL OR m.expires_at > ?2);
