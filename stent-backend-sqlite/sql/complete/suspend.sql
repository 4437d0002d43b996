-- ?1: suspensions; ?2: now.
-- Whoever ends a task or sends a signal writes after this transaction and finds the task suspended, or before it and
-- is found here.
UPDATE tasks
SET state = 'suspended',
    due = s.value ->> 'until',
    worker = NULL,
    lease_until = NULL
FROM json_each(?1) AS s
WHERE tasks.id = unhex(s.value ->> 'task')
  -- The fence.
  AND tasks.state = 'running'
  AND tasks.token = unhex(s.value ->> 'token')
  AND coalesce(s.value ->> 'until' > ?2, TRUE)
  AND NOT EXISTS (
    SELECT 1
    FROM json_each(s.value, '$.children') AS w
    CROSS JOIN tasks AS c ON c.id = unhex(w.value)
    WHERE c.ended_at IS NOT NULL)
  AND NOT EXISTS (
    SELECT 1
    FROM json_each(s.value, '$.signals') AS w
    CROSS JOIN signals AS g ON g.execution = tasks.execution AND g.name = w.value)
  AND NOT EXISTS (
    SELECT 1
    FROM json_each(s.value, '$.maps') AS w
    WHERE NOT EXISTS (
            SELECT 1 FROM tasks AS o INDEXED BY tasks_open_children
            WHERE o.parent = tasks.id AND o.ended_at IS NULL
              AND o.made_turn = w.value ->> 'op_turn' AND o.made_number = w.value ->> 'op_number'
              AND o.map_index >= w.value ->> 'first' AND o.map_index < w.value ->> 'past'
              AND o.function = w.value ->> 'op_name' AND o.made_generation = tasks.generation)
       OR NOT w.value ->> 'settled' AND EXISTS (
            SELECT 1 FROM tasks AS f INDEXED BY tasks_failed_items
            WHERE f.parent = tasks.id AND f.made_kind = 'map' AND f.state = 'failed'
              AND f.made_turn = w.value ->> 'op_turn' AND f.made_number = w.value ->> 'op_number'
              AND f.map_index >= w.value ->> 'first' AND f.map_index < w.value ->> 'past'
              AND f.function = w.value ->> 'op_name' AND f.made_generation = tasks.generation))
RETURNING
    id,
    EXISTS (SELECT 1 FROM waits WHERE waits.task = tasks.id) AS has_waits;
