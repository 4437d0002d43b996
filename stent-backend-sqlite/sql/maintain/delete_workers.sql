-- ?1: before which time they were last heard of; ?2: how many rows at most.
DELETE FROM workers WHERE id IN (SELECT id FROM workers WHERE seen_at < ?1 LIMIT ?2 + 0);
