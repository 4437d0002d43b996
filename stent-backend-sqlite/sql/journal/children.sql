-- ?1: children with the claims they are made under; ?2: their inputs, and the results of those born completed; ?3: now.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH c (value) AS MATERIALIZED (SELECT value FROM json_each(?1))
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index,
                   function, version, input, fingerprint, queue, tags, priority, retry, trace,
                   memo_key, memo_mode, memo_ttl, ancestors, state, due, created_at, ended_at, output,
                   worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
SELECT unhex(c.value ->> 'id'),
       p.execution,
       p.id,
       p.depth + 1,
       c.value ->> 'generation',
       c.value ->> 'made_turn',
       c.value ->> 'made_kind',
       c.value ->> 'made_number',
       c.value ->> 'index',
       c.value ->> 'function',
       c.value ->> 'version',
       -- No part of an empty blob is NULL.
       coalesce(substr(?2, c.value ->> '$.input.offset', c.value ->> '$.input.length'), x''),
       unhex(c.value ->> 'fingerprint'),
       c.value ->> 'queue',
       c.value ->> 'tags',
       c.value ->> 'priority',
       c.value ->> 'retry',
       c.value ->> 'trace',
       unhex(c.value ->> 'memo_key'),
       c.value ->> 'memo_mode',
       c.value ->> 'memo_ttl',
       CASE WHEN c.value ->> 'limited' THEN (
            WITH RECURSIVE above (function, parent) AS (
                SELECT p.function, p.parent
                UNION ALL
                SELECT t.function, t.parent FROM above CROSS JOIN tasks AS t ON t.id = above.parent
            )
            SELECT count(*) FROM above WHERE above.function = c.value ->> 'function')
       ELSE 0 END,
       CASE WHEN c.value ->> 'born' IS NOT NULL THEN 'completed'
            WHEN c.value ->> 'first_token' IS NOT NULL THEN 'running'
            WHEN c.value ->> 'due' > ?3 THEN 'scheduled'
            ELSE 'pending' END,
       c.value ->> 'due',
       ?3,
       CASE WHEN c.value ->> 'born' IS NOT NULL THEN ?3 END,
       CASE WHEN c.value ->> 'born' IS NOT NULL
            THEN coalesce(substr(?2, c.value ->> '$.born.offset', c.value ->> '$.born.length'), x'') END,
       -- The claim it is made with.
       unhex(c.value ->> 'first_worker'),
       unhex(c.value ->> 'first_token'),
       CASE WHEN c.value ->> 'first_token' IS NOT NULL THEN ?3 END,
       ?3 + (c.value ->> 'first_lease'),
       CASE WHEN c.value ->> 'first_token' IS NOT NULL THEN ?3 END,
       CASE WHEN c.value ->> 'first_token' IS NOT NULL THEN ?3 END,
       c.value ->> 'first_token' IS NOT NULL,
       c.value ->> 'first_token' IS NOT NULL
FROM c
CROSS JOIN tasks AS p ON p.id = unhex(c.value ->> 'task')
-- The fence.
WHERE p.state = 'running' AND p.token = unhex(c.value ->> 'token')
-- A child that is there already counts as one made: as many rows as children means that no claim was lost.
ON CONFLICT (id) DO UPDATE SET depth = tasks.depth;
