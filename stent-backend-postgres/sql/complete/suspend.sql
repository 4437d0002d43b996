-- $1 to $3: tasks, which are locked, their tokens and timers; $4: now; $5, $6: children that are waited for; $7, $8: slots; $9 to $15: ranges of maps; of
-- each first the task that waits. Whoever ends a child or sends a signal waits for this transaction and finds the task suspended, or has
-- committed and is found here.
UPDATE tasks AS t
SET state = 'suspended',
    due = ($3)[given.place],
    worker = NULL,
    lease_until = NULL
-- Of a series the planner expects many, so that it does not compare each task with each suspension.
FROM generate_series(1, cardinality($1::uuid[])) AS given (place)
WHERE t.id = ANY ($1)
    AND t.id = ($1)[given.place]
    -- The fence. Within CASE it is nothing that an index could be chosen for.
    AND CASE WHEN t.state = 'running' THEN t.token = ($2::uuid[])[given.place] END
    AND coalesce(($3::timestamp[])[given.place] > $4::timestamp, TRUE)
    AND t.id NOT IN (
        SELECT w.task
        FROM unnest($5::uuid[], $6::uuid[]) AS w (task, child)
        WHERE (SELECT c.ended_at IS NOT NULL FROM tasks AS c WHERE c.id = w.child))
    AND t.id NOT IN (
        SELECT w.task
        FROM unnest($7::uuid[], $8::text[]) AS w (task, name)
        CROSS JOIN LATERAL (SELECT o.execution FROM tasks AS o WHERE o.id = w.task OFFSET 0) AS own
        WHERE (SELECT s.value IS NOT NULL FROM signals AS s WHERE s.execution = own.execution AND s.name = w.name))
    AND t.id NOT IN (
        SELECT w.task
        FROM unnest($9::uuid[], $10::integer[], $11::text[], $12::integer[], $13::integer[], $14::integer[], $15::boolean[])
            AS w (task, op_turn, op_name, op_number, first, past, settled)
        CROSS JOIN LATERAL (SELECT o.generation FROM tasks AS o WHERE o.id = w.task OFFSET 0) AS own
        -- The orders are those of the indexes of open and of failed items; the sum keeps the index of all from being one of them.
        WHERE (SELECT o.id FROM tasks AS o
               WHERE o.parent = w.task AND o.ended_at IS NULL
                 AND o.made_turn = w.op_turn AND o.made_number = w.op_number
                 AND o.map_index >= w.first AND o.map_index < w.past
                 AND o.function = w.op_name AND o.made_generation + 0 = own.generation
               ORDER BY o.made_turn, o.made_number, o.map_index
               LIMIT 1) IS NULL
           OR NOT w.settled AND (
               SELECT f.id FROM tasks AS f
               WHERE f.parent = w.task AND f.made_kind = 'map' AND f.state = 'failed'
                 AND f.made_turn = w.op_turn AND f.made_number = w.op_number
                 AND f.map_index >= w.first AND f.map_index < w.past
                 AND f.function = w.op_name AND f.made_generation + 0 = own.generation
               ORDER BY f.made_turn, f.made_number, f.map_index
               LIMIT 1) IS NOT NULL)
RETURNING t.id;
