-- ?1: releases; ?2: now.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH ends (value) AS MATERIALIZED (SELECT value FROM json_each(?1))
UPDATE tasks
SET state = CASE WHEN ends.value ->> 'until' > ?2 THEN 'scheduled' ELSE 'pending' END,
    due = CASE WHEN ends.value ->> 'until' > ?2 THEN ends.value ->> 'until' ELSE due END,
    reason = ends.value ->> 'reason',
    worker = NULL,
    lease_until = NULL,
    attempt = max(attempt - counted, 0),
    counted = 0,
    place = place
        AND (EXISTS (SELECT 1 FROM journal AS j WHERE j.task = tasks.id AND j.generation = tasks.generation)
             OR EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = tasks.id AND c.made_generation = tasks.generation))
FROM ends
WHERE tasks.id = unhex(ends.value ->> 'task')
  -- The fence.
  AND tasks.state = 'running'
  AND tasks.token = unhex(ends.value ->> 'token')
RETURNING
    id,
    row,
    execution,
    FALSE AS is_root,
    FALSE AS parent_waits,
    FALSE AS has_open,
    FALSE AS has_memo,
    FALSE AS is_limited;
