-- ?1: rows; ?2: now. Tasks as they are once they are taken.
WITH chosen AS MATERIALIZED (
    SELECT own.row AS row,
           NOT EXISTS (SELECT 1 FROM journal WHERE journal.task = own.id AND journal.generation = own.generation)
               AND NOT EXISTS (SELECT 1 FROM tasks AS child
                               WHERE child.parent = own.id AND child.made_generation = own.generation) AS is_fresh
    FROM json_each(?1) AS given
    CROSS JOIN tasks AS own ON own.row = given.value
)
SELECT tasks.row, id, execution, parent, depth, function, version, input, fingerprint, queue, priority, due, retry, memo_key,
       memo_mode, memo_ttl, generation, failure, trace, is_fresh,
       -- A replay is no attempt, but for the first one with fresh attempts.
       is_fresh OR attempt = 0 AS counts,
       attempt + (is_fresh OR attempt = 0) AS attempt,
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
       END AS deliveries,
       CASE WHEN is_fresh THEN ?2 ELSE journal_from END AS journal_from,
       coalesce(started_at, ?2) AS started_at
FROM chosen
CROSS JOIN tasks ON tasks.row = chosen.row;
