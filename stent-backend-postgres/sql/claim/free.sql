-- $1, $2: functions without limits and their versions; $3: queues, or NULL for every one; $4: tags, or NULL for all; $5: how many at most; $6: until when
-- leases have run out, or NULL; $7: tasks that are passed by.
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
         AND t.id <> ALL ($7::uuid[])
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
         AND t.id <> ALL ($7)
     ORDER BY t.priority DESC, t.due, t.id
     LIMIT $5)
) AS best
ORDER BY best.priority DESC, best.due, best.id
LIMIT $5;
