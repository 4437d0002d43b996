-- ?1: now; ?2: how many rows at most.
DELETE FROM memos
WHERE key IN (SELECT key FROM memos INDEXED BY memos_expiry WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2 + 0);
