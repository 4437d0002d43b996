-- $1: tasks, which are locked, or NULL: those that a statement before has locked; $2: token; $3: worker; $4: now; $5: when the lease runs out; $6: those that take places.
WITH own AS MATERIALIZED (
    SELECT seen.*,
           -- A replay is no attempt, but for the first one with fresh attempts.
           seen.is_fresh OR seen.attempt = 0 AS counts,
           CASE
               WHEN seen.state <> 'running' OR seen.is_fresh THEN 0
               -- The claim before ran out: has it written anything?
               WHEN EXISTS (SELECT 1 FROM journal AS j
                            WHERE j.task = seen.id AND j.generation = seen.generation AND j.token = seen.token OFFSET 0)
                   OR EXISTS (SELECT 1 FROM tasks AS c
                              WHERE c.parent = seen.id
                                  AND c.made_generation = seen.generation
                                  AND c.made_kind = 'call'
                                  AND c.created_at >= seen.claimed_at
                              OFFSET 0) THEN 0
               ELSE seen.deliveries + 1
           END AS redelivered
    FROM unnest(coalesce($1::uuid[], nullif(current_setting('stent.locked', TRUE), '')::uuid[])) AS given (id)
    -- Empty is what is left of a setting after its transaction. OFFSET 0, here and above: each is looked up, whatever the planner thinks of how many there are.
    CROSS JOIN LATERAL (
        SELECT t.id, t.state, t.token, t.claimed_at, t.attempt, t.deliveries, t.generation,
               NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation OFFSET 0)
                   AND NOT EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation OFFSET 0) AS is_fresh
        FROM tasks AS t
        WHERE t.id = given.id
        OFFSET 0
    ) AS seen
)
UPDATE tasks AS t
SET state = 'running',
    token = $2::uuid,
    worker = $3::uuid,
    claimed_at = $4::timestamp,
    lease_until = $5::timestamp,
    started_at = coalesce(t.started_at, $4),
    attempt = t.attempt + own.counts::integer,
    counted = own.counts,
    deliveries = own.redelivered,
    journal_from = CASE WHEN own.is_fresh THEN $4 ELSE t.journal_from END,
    place = t.place OR t.id = ANY ($6::uuid[]),
    reason = NULL
FROM own
WHERE t.id = own.id
    -- The array has them looked up one by one, whatever the planner thinks of how many there are.
    AND t.id = ANY (coalesce($1, nullif(current_setting('stent.locked', TRUE), '')::uuid[]))
RETURNING t.id, t.execution, t.parent, t.depth, t.function, t.version, t.input, t.fingerprint, t.queue, t.priority, t.due, t.retry,
          t.memo_key, t.memo_mode, t.memo_ttl, t.attempt, t.deliveries, t.generation, t.journal_from, t.started_at, t.failure, t.trace,
          own.is_fresh, own.counts;
