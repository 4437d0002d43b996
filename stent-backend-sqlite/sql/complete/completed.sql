-- ?1: ends; ?2: their results; ?3: now. What is returned tells which effects there are besides.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH ends (value) AS MATERIALIZED (SELECT value FROM json_each(?1))
UPDATE tasks
SET state = 'completed',
    -- No part of an empty blob is NULL.
    output = coalesce(substr(?2, ends.value ->> 'offset', ends.value ->> 'length'), x''),
    failure = NULL,
    resume = NULL,
    worker = NULL,
    lease_until = NULL,
    place = 0,
    ended_at = ?3
FROM ends
WHERE tasks.id = unhex(ends.value ->> 'task')
  -- The fence.
  AND tasks.state = 'running'
  AND tasks.token = unhex(ends.value ->> 'token')
RETURNING
    id,
    row,
    execution,
    parent IS NULL AS is_root,
    (SELECT p.state = 'suspended' FROM tasks AS p WHERE p.id = tasks.parent) AS parent_waits,
    EXISTS (SELECT 1 FROM tasks AS c INDEXED BY tasks_open_children
            WHERE c.parent = tasks.id AND c.ended_at IS NULL) AS has_open,
    memo_key IS NOT NULL AS has_memo,
    EXISTS (SELECT 1 FROM limits AS l WHERE l.function = tasks.function) AS is_limited;
