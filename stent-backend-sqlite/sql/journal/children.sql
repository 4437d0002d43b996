-- ?1: [[shape, index, offset, length of the input, of the result, memo's key], …]; ?2: from its offset on, a child's id, fingerprint, input and result;
-- ?3: what many children have in common, with the claims they are made under; ?4: now.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH c (value) AS MATERIALIZED (SELECT value FROM json_each(?1)),
g (key, value) AS MATERIALIZED (SELECT key, value FROM json_each(?3)),
shapes AS MATERIALIZED (
    SELECT g.key AS shape,
           p.execution,
           p.id AS parent,
           p.depth + 1 AS depth,
           g.value ->> 'generation' AS generation,
           g.value ->> 'made_turn' AS made_turn,
           g.value ->> 'made_kind' AS made_kind,
           g.value ->> 'made_number' AS made_number,
           g.value ->> 'function' AS function,
           g.value ->> 'version' AS version,
           g.value ->> 'queue' AS queue,
           g.value ->> 'tags' AS tags,
           g.value ->> 'priority' AS priority,
           g.value ->> 'retry' AS retry,
           g.value ->> 'trace' AS trace,
           g.value ->> 'memo_mode' AS memo_mode,
           g.value ->> 'memo_ttl' AS memo_ttl,
           CASE WHEN g.value ->> 'limited' THEN (
                WITH RECURSIVE above (function, parent) AS (
                    SELECT p.function, p.parent
                    UNION ALL
                    SELECT t.function, t.parent FROM above CROSS JOIN tasks AS t ON t.id = above.parent
                )
                SELECT count(*) FROM above WHERE above.function = g.value ->> 'function')
           ELSE 0 END AS ancestors,
           g.value ->> 'due' AS due,
           unhex(g.value ->> 'first_worker') AS first_worker,
           unhex(g.value ->> 'first_token') AS first_token,
           g.value ->> 'first_lease' AS first_lease
    FROM g
    CROSS JOIN tasks AS p ON p.id = unhex(g.value ->> 'task')
    -- The fence.
    WHERE p.state = 'running' AND p.token = unhex(g.value ->> 'token')
)
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index,
                   function, version, input, fingerprint, queue, tags, priority, retry, trace,
                   memo_key, memo_mode, memo_ttl, ancestors, state, due, created_at, ended_at, output,
                   worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
SELECT substr(?2, c.value ->> 2, 16),
       s.execution,
       s.parent,
       s.depth,
       s.generation,
       s.made_turn,
       s.made_kind,
       s.made_number,
       c.value ->> 1,
       s.function,
       s.version,
       substr(?2, (c.value ->> 2) + 48, c.value ->> 3),
       substr(?2, (c.value ->> 2) + 16, 32),
       s.queue,
       s.tags,
       s.priority,
       s.retry,
       s.trace,
       unhex(c.value ->> 5),
       s.memo_mode,
       s.memo_ttl,
       s.ancestors,
       CASE WHEN c.value ->> 4 IS NOT NULL THEN 'completed'
            WHEN s.first_token IS NOT NULL THEN 'running'
            WHEN s.due > ?4 THEN 'scheduled'
            ELSE 'pending' END,
       s.due,
       ?4,
       CASE WHEN c.value ->> 4 IS NOT NULL THEN ?4 END,
       CASE WHEN c.value ->> 4 IS NOT NULL
            THEN substr(?2, (c.value ->> 2) + 48 + (c.value ->> 3), c.value ->> 4) END,
       -- The claim it is made with.
       s.first_worker,
       s.first_token,
       CASE WHEN s.first_token IS NOT NULL THEN ?4 END,
       ?4 + s.first_lease,
       CASE WHEN s.first_token IS NOT NULL THEN ?4 END,
       CASE WHEN s.first_token IS NOT NULL THEN ?4 END,
       s.first_token IS NOT NULL,
       s.first_token IS NOT NULL
FROM c
CROSS JOIN shapes AS s ON s.shape = c.value ->> 0
WHERE TRUE
-- A child that is there already counts as one made: as many rows as children means that no claim was lost.
ON CONFLICT (id) DO UPDATE SET depth = tasks.depth;
