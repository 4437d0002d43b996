INSERT INTO memos (key, owner) VALUES (?1, ?2)
ON CONFLICT (key) DO UPDATE SET value = NULL, owner = excluded.owner, expires_at = NULL;
