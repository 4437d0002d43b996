-- ?1: retries; ?2: now.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH ends (value) AS MATERIALIZED (SELECT value FROM json_each(?1))
UPDATE tasks
SET state = CASE WHEN ends.value ->> 'at' > ?2 THEN 'scheduled' ELSE 'pending' END,
    due = ends.value ->> 'at',
    failure = ends.value ->> 'failure',
    resume = NULL,
    worker = NULL,
    lease_until = NULL,
    place = 0
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
    EXISTS (SELECT 1 FROM tasks AS c INDEXED BY tasks_open_children
            WHERE c.parent = tasks.id AND c.ended_at IS NULL) AS has_open,
    FALSE AS has_memo,
    FALSE AS is_limited;
