-- $1: now; $2, $3: tasks and tokens of the claims that children are made under; $4 to $24: the children; $25 to $27: of the claims they are made with worker, token and end of the
-- lease.
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index,
                   function, version, input, fingerprint, queue, tags, priority, retry, trace,
                   memo_key, memo_mode, memo_ttl, ancestors, state, due, created_at, ended_at, output,
                   worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
SELECT c.id,
       own.execution,
       c.task,
       own.depth + 1,
       c.generation,
       c.made_turn,
       c.made_kind,
       c.made_number,
       c.map_index,
       c.function,
       c.version,
       c.input,
       c.fingerprint,
       c.queue,
       CASE WHEN c.tags IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(c.tags::json)) END,
       c.priority,
       c.retry,
       c.trace,
       c.memo_key,
       c.memo_mode,
       c.memo_ttl,
       CASE WHEN c.limited THEN (
            WITH RECURSIVE above (function, parent) AS (
                SELECT own.function, own.parent
                UNION ALL
                SELECT t.function, t.parent
                FROM above
                CROSS JOIN LATERAL (SELECT a.function, a.parent FROM tasks AS a WHERE a.id = above.parent OFFSET 0) AS t
            )
            SELECT count(*)::integer FROM above WHERE above.function = c.function)
       ELSE 0 END,
       CASE WHEN c.born IS NOT NULL THEN 'completed'
            WHEN c.first_token IS NOT NULL THEN 'running'
            WHEN c.due > $1::timestamp THEN 'scheduled'
            ELSE 'pending' END,
       c.due,
       $1,
       CASE WHEN c.born IS NOT NULL THEN $1 END,
       c.born,
       c.first_worker,
       c.first_token,
       CASE WHEN c.first_token IS NOT NULL THEN $1 END,
       c.lease_until,
       CASE WHEN c.first_token IS NOT NULL THEN $1 END,
       CASE WHEN c.first_token IS NOT NULL THEN $1 END,
       CASE WHEN c.first_token IS NOT NULL THEN 1 ELSE 0 END,
       c.first_token IS NOT NULL
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::integer[], $7::text[], $8::integer[], $9::integer[], $10::text[], $11::text[],
            $12::bytea[], $13::bytea[], $14::text[], $15::text[], $16::integer[], $17::text[], $18::text[], $19::bytea[], $20::text[], $21::bigint[],
            $22::boolean[], $23::timestamp[], $24::bytea[], $25::uuid[], $26::uuid[], $27::timestamp[])
    AS c (task, token, id, generation, made_turn, made_kind, made_number, map_index, function, version, input, fingerprint, queue, tags, priority,
          retry, trace, memo_key, memo_mode, memo_ttl, limited, due, born, first_worker, first_token, lease_until)
-- Looked up by id, whatever the planner believes of how few tasks are running.
CROSS JOIN LATERAL (
    SELECT t.execution, t.parent, t.depth, t.function, t.state, t.token FROM tasks AS t WHERE t.id = c.task OFFSET 0) AS own
-- The fence.
WHERE own.state = 'running' AND own.token = c.token
ON CONFLICT (id) DO NOTHING;
