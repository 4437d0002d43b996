-- ?1: [[shape, offset, length of the input, due, deadline, length of the result, trace, memo's key, dedup key], …]; ?2: from its offset on, an
-- item's id, fingerprint, input and result; ?3: what many items have in common; ?4: now.
-- As JSONB an item is not parsed again for each of its values.
WITH shapes AS MATERIALIZED (
    SELECT key AS shape,
           value ->> 0 AS function,
           value ->> 1 AS version,
           value ->> 2 AS queue,
           value ->> 3 AS tags,
           value ->> 4 AS priority,
           value ->> 5 AS retry,
           value ->> 6 AS memo_mode,
           value ->> 7 AS memo_ttl,
           value ->> 8 AS max_duration,
           unhex(value ->> 9) AS worker,
           unhex(value ->> 10) AS token,
           value ->> 11 AS lease
    FROM json_each(?3)
)
INSERT INTO tasks (id, execution, depth, function, version, input, fingerprint, queue, tags, priority, retry, trace, memo_key,
                   memo_mode, memo_ttl, state, due, created_at, ended_at, output, max_duration, deadline, dedup,
                   worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
SELECT substr(?2, item.value ->> 1, 16),
       substr(?2, item.value ->> 1, 16),
       0,
       shapes.function,
       shapes.version,
       substr(?2, (item.value ->> 1) + 48, item.value ->> 2),
       substr(?2, (item.value ->> 1) + 16, 32),
       shapes.queue,
       shapes.tags,
       shapes.priority,
       shapes.retry,
       item.value ->> 6,
       unhex(item.value ->> 7),
       shapes.memo_mode,
       shapes.memo_ttl,
       CASE
           WHEN item.value ->> 5 IS NOT NULL THEN 'completed'
           WHEN shapes.token IS NOT NULL THEN 'running'
           WHEN item.value ->> 3 > ?4 THEN 'scheduled'
           ELSE 'pending'
       END,
       item.value ->> 3,
       ?4,
       CASE WHEN item.value ->> 5 IS NOT NULL THEN ?4 END,
       CASE
           WHEN item.value ->> 5 IS NOT NULL
               THEN substr(?2, (item.value ->> 1) + 48 + (item.value ->> 2), item.value ->> 5)
       END,
       shapes.max_duration,
       item.value ->> 4,
       item.value ->> 8,
       -- The claim it is made with.
       shapes.worker,
       shapes.token,
       CASE WHEN shapes.token IS NOT NULL THEN ?4 END,
       ?4 + shapes.lease,
       CASE WHEN shapes.token IS NOT NULL THEN ?4 END,
       CASE WHEN shapes.token IS NOT NULL THEN ?4 END,
       shapes.token IS NOT NULL,
       shapes.token IS NOT NULL
FROM jsonb_each(jsonb(?1)) AS item
CROSS JOIN shapes ON shapes.shape = item.value ->> 0
WHERE TRUE
-- An id or a dedup key that is there already: who asked learns which.
ON CONFLICT DO NOTHING;
