-- ?1: now; ?2: before which time things ended.
SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_deleting WHERE deleting = 1)
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_ended WHERE parent IS NULL AND ended_at < ?2 AND deleting = 0)
    OR EXISTS (SELECT 1 FROM memos INDEXED BY memos_expiry WHERE expires_at <= ?1)
    OR EXISTS (SELECT 1 FROM workers WHERE seen_at < ?2);
