-- $1: key, which is locked; $2: its new owner.
UPDATE memos SET value = NULL, owner = $2::uuid, expires_at = NULL WHERE key = $1::bytea;
