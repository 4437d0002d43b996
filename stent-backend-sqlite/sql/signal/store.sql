INSERT INTO signals (execution, name, value, sent_at) VALUES (?1, ?2, ?3, ?4)
-- The latest value wins.
ON CONFLICT (execution, name) DO UPDATE SET value = excluded.value, sent_at = excluded.sent_at;
