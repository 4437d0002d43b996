-- $1 to $18: of executions id, dedup key, function, version, input, fingerprint, queue, tags, priority, retry policy, trace, memo key, mode and ttl,
-- due time, duration, deadline and result; $19: now; $20 to $22: of the claims they are made with worker, token and end of the lease.
INSERT INTO tasks (id, execution, depth, function, version, input, fingerprint, queue, tags, priority, retry, trace, memo_key,
                   memo_mode, memo_ttl, state, due, created_at, ended_at, output, max_duration, deadline, dedup,
                   worker, token, claimed_at, lease_until, started_at, journal_from, attempt, counted)
SELECT new.id,
       new.id,
       0,
       new.function,
       new.version,
       new.input,
       new.fingerprint,
       new.queue,
       CASE WHEN new.tags IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(new.tags::json)) END,
       new.priority,
       new.retry,
       new.trace,
       new.memo_key,
       new.memo_mode,
       new.memo_ttl,
       CASE
           WHEN new.result IS NOT NULL THEN 'completed'
           WHEN new.token IS NOT NULL THEN 'running'
           WHEN new.due > $19::timestamp THEN 'scheduled'
           ELSE 'pending'
       END,
       new.due,
       $19,
       CASE WHEN new.result IS NOT NULL THEN $19 END,
       new.result,
       new.max_duration,
       new.deadline,
       new.dedup,
       new.worker,
       new.token,
       CASE WHEN new.token IS NOT NULL THEN $19 END,
       new.lease_until,
       CASE WHEN new.token IS NOT NULL THEN $19 END,
       CASE WHEN new.token IS NOT NULL THEN $19 END,
       CASE WHEN new.token IS NOT NULL THEN 1 ELSE 0 END,
       new.token IS NOT NULL
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::text[], $9::integer[],
            $10::text[], $11::text[], $12::bytea[], $13::text[], $14::bigint[], $15::timestamp[], $16::bigint[],
            $17::timestamp[], $18::bytea[], $20::uuid[], $21::uuid[], $22::timestamp[]) WITH ORDINALITY
    AS new (id, dedup, function, version, input, fingerprint, queue, tags, priority, retry, trace, memo_key, memo_mode, memo_ttl,
            due, max_duration, deadline, result, worker, token, lease_until, place)
-- Whoever inserts a key waits for whoever inserts the same: in one order, so that no two batches wait for each other. Of one batch the first item
-- gets its key.
ORDER BY new.dedup COLLATE "C", CASE WHEN new.dedup IS NULL THEN new.id END, new.place
-- An id or a dedup key that is there already: who asked learns which.
ON CONFLICT DO NOTHING;
