-- $1, $2: functions without limits and their versions; $3: queues, or NULL for every one; $4: tags, or NULL for all; $5: how many candidates are looked
-- at; $6: until when leases have run out, or NULL; $7: how many at most; $8: token; $9: worker; $10: now; $11: when the lease runs out; $12: whether the
-- token may have been used before. Answers with how many candidates there were, with the tasks that are locked now, and with those that were never
-- claimed and are taken at once. What another has written to its journal a statement may miss that began before it had the lock: a later one takes it.
WITH candidate AS MATERIALIZED (
    SELECT best.id, best.priority, best.due
    FROM unnest($1::text[], $2::text[]) AS asked (function, version)
    -- A function's best tasks come from the index, in order: a crowd behind them, or of another function, is not seen.
    CROSS JOIN LATERAL (
        (SELECT t.id, t.priority, t.due
         FROM tasks AS t
         WHERE t.state = 'pending'
             AND t.function = asked.function
             AND t.version = asked.version
             AND (t.queue IS NULL OR $3::text[] IS NULL OR t.queue = ANY ($3))
             AND (t.tags IS NULL OR $4::text[] IS NULL OR t.tags && $4)
         ORDER BY t.priority DESC, t.due, t.id
         LIMIT $5::bigint)
        UNION ALL
        (SELECT t.id, t.priority, t.due
         FROM tasks AS t
         WHERE t.state = 'running'
             AND t.function = asked.function
             AND t.version = asked.version
             AND t.lease_until <= $6::timestamp
             AND (t.queue IS NULL OR $3 IS NULL OR t.queue = ANY ($3))
             AND (t.tags IS NULL OR $4 IS NULL OR t.tags && $4)
         ORDER BY t.priority DESC, t.due, t.id
         LIMIT $5)
    ) AS best
    ORDER BY best.priority DESC, best.due, best.id
    LIMIT $5
),
-- The first that nobody holds, one by one, and no more of them than are taken.
own AS MATERIALIZED (
    SELECT locked.id, locked.started_at IS NULL AS is_new
    FROM (SELECT candidate.id FROM candidate ORDER BY candidate.priority DESC, candidate.due, candidate.id) AS best
    -- Looked up by id, whatever the planner believes of how few tasks are pending.
    CROSS JOIN LATERAL (
        SELECT t.id, t.state, t.lease_until, t.started_at
        FROM tasks AS t
        WHERE t.id = best.id
        OFFSET 0
        FOR NO KEY UPDATE OF t SKIP LOCKED
    ) AS locked
    -- Asked of the rows as they are now that they are locked.
    WHERE (locked.state = 'pending' OR locked.state = 'running' AND locked.lease_until <= $6)
        AND NOT ($12::boolean AND EXISTS (
            SELECT 1 FROM tasks AS mine WHERE mine.state = 'running' AND mine.worker = $9::uuid AND mine.token = $8::uuid))
    LIMIT $7::bigint
),
taken AS (
    UPDATE tasks AS t
    SET state = 'running',
        token = $8,
        worker = $9,
        claimed_at = $10::timestamp,
        lease_until = $11::timestamp,
        started_at = $10,
        attempt = t.attempt + 1,
        counted = TRUE,
        deliveries = 0,
        journal_from = $10,
        reason = NULL
    FROM own
    WHERE t.id = own.id AND own.is_new
    RETURNING t.id, t.execution, t.parent, t.depth, t.function, t.version, t.input, t.fingerprint, t.queue, t.priority, t.due, t.retry,
              t.memo_key, t.memo_mode, t.memo_ttl, t.attempt, t.deliveries, t.generation, t.journal_from, t.started_at, t.failure, t.trace,
              TRUE AS is_fresh, TRUE AS counts
)
SELECT looked.seen, looked.locked, taken.*
-- Of one row: joined by id with what was taken, each of them would be compared with each.
FROM (
    SELECT (SELECT count(*) FROM candidate) AS seen,
           -- For the statement that takes them, which goes out with this one.
           set_config('stent.locked', coalesce((SELECT array_agg(own.id) FROM own WHERE NOT own.is_new)::text, '{}'), TRUE)::uuid[] AS locked
    OFFSET 0
) AS looked
LEFT JOIN taken ON TRUE;
