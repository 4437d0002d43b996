-- $1 to $4: tasks, which are locked, tokens, times and reasons; $5: now.
UPDATE tasks AS t
SET state = CASE WHEN ($3::timestamp[])[ends.place] > $5::timestamp THEN 'scheduled' ELSE 'pending' END,
    due = CASE WHEN ($3)[ends.place] > $5 THEN ($3)[ends.place] ELSE t.due END,
    reason = ($4::text[])[ends.place],
    worker = NULL,
    lease_until = NULL,
    attempt = greatest(t.attempt - t.counted::integer, 0),
    counted = FALSE,
    place = CASE WHEN t.place THEN
        EXISTS (SELECT FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation OFFSET 0)
        OR EXISTS (SELECT FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation OFFSET 0) ELSE FALSE END
-- Of a series the planner expects many, so that it does not compare each task with each end.
FROM generate_series(1, cardinality($1::uuid[])) AS ends (place)
WHERE t.id = ANY ($1)
    AND t.id = ($1)[ends.place]
    -- The fence. Within CASE it is nothing that an index could be chosen for.
    AND CASE WHEN t.state = 'running' THEN t.token = ($2::uuid[])[ends.place] END
RETURNING
    t.id,
    t.execution,
    FALSE AS is_root,
    FALSE AS parent_waits,
    FALSE AS has_open,
    FALSE AS has_memo,
    FALSE AS is_limited;
