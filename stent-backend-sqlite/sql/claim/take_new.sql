-- ?1: rows of tasks that were never claimed and need no place; ?2: token; ?3: worker; ?4: now; ?5: when the lease runs out. Their journals are empty, and
-- the attempt is the first that counts.
UPDATE tasks
SET state = 'running',
    token = ?2,
    worker = ?3,
    claimed_at = ?4,
    lease_until = ?5,
    started_at = ?4,
    attempt = 1,
    counted = 1,
    deliveries = 0,
    journal_from = ?4,
    reason = NULL
WHERE row IN (SELECT value FROM json_each(?1))
RETURNING
    row, id, execution, parent, depth, function, version, input, fingerprint, queue, priority, due, retry, memo_key, memo_mode, memo_ttl, attempt,
    deliveries, generation, journal_from, started_at, failure, trace, TRUE AS is_fresh, TRUE AS counts;
