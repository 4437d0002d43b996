-- ?1: rows; ?2: token; ?3: worker; ?4: now; ?5: when the lease runs out; ?6: whether their journals are empty; ?7: whether an attempt is
-- counted; ?8: deliveries; ?9: whether they take places. A claim's tasks are mostly alike, so that one execution takes them all.
UPDATE tasks
SET state = 'running',
    token = ?2,
    worker = ?3,
    claimed_at = ?4,
    lease_until = ?5,
    started_at = coalesce(started_at, ?4),
    -- A count that is corrupt is told to the worker; here it must not fail the others.
    attempt = max(attempt, 0) + ?7,
    counted = ?7,
    deliveries = ?8,
    journal_from = CASE WHEN ?6 THEN ?4 ELSE journal_from END,
    place = place OR ?9,
    reason = NULL
WHERE row IN (SELECT value FROM json_each(?1));
