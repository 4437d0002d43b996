-- ?1: [[row, whether it takes a place], …]; ?2: token; ?3: worker; ?4: now; ?5: when the lease runs out.
UPDATE tasks
SET state = 'running',
    token = ?2,
    worker = ?3,
    claimed_at = ?4,
    lease_until = ?5,
    started_at = coalesce(started_at, ?4),
    place = place OR chosen.value ->> 1,
    reason = NULL,
    (attempt, counted, deliveries, journal_from) = (
        -- A replay is no attempt, but for the first one with fresh attempts.
        SELECT attempt + (is_fresh OR attempt = 0),
               is_fresh OR attempt = 0,
               CASE
                   WHEN state <> 'running' OR is_fresh THEN 0
                   -- The claim before ran out: has it written anything?
                   WHEN EXISTS (SELECT 1 FROM journal
                                WHERE task = tasks.id AND generation = tasks.generation AND token = tasks.token)
                       OR EXISTS (SELECT 1 FROM tasks AS child
                                  WHERE child.parent = tasks.id
                                      AND child.made_generation = tasks.generation
                                      AND child.made_kind = 'call'
                                      AND child.created_at >= tasks.claimed_at) THEN 0
                   ELSE deliveries + 1
               END,
               CASE WHEN is_fresh THEN ?4 ELSE journal_from END
        FROM (
            SELECT NOT EXISTS (SELECT 1 FROM journal
                               WHERE journal.task = tasks.id AND journal.generation = tasks.generation)
                AND NOT EXISTS (SELECT 1 FROM tasks AS child
                                WHERE child.parent = tasks.id AND child.made_generation = tasks.generation) AS is_fresh
        )
    )
FROM json_each(?1) AS chosen
WHERE tasks.row = chosen.value ->> 0
RETURNING id, execution, parent, depth, function, version, input, fingerprint, queue, priority, due, retry, memo_key,
          memo_mode, memo_ttl, attempt, deliveries, generation, journal_from, started_at, failure, trace,
          NOT EXISTS (SELECT 1 FROM journal WHERE journal.task = tasks.id AND journal.generation = tasks.generation)
              AND NOT EXISTS (SELECT 1 FROM tasks AS child
                              WHERE child.parent = tasks.id AND child.made_generation = tasks.generation) AS is_fresh;
