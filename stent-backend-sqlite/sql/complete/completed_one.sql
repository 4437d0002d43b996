-- ?1, ?2: task and token of an end; ?3: its result; ?4: now. A row if the claim holds and the end has no effects besides.
UPDATE tasks
SET state = 'completed',
    output = ?3,
    failure = NULL,
    resume = NULL,
    worker = NULL,
    lease_until = NULL,
    place = 0,
    ended_at = ?4
WHERE id = ?1
  -- The fence.
  AND state = 'running'
  AND token = ?2
  AND memo_key IS NULL
  AND NOT EXISTS (SELECT 1 FROM tasks AS p WHERE p.id = tasks.parent AND p.state = 'suspended')
  AND NOT EXISTS (SELECT 1 FROM tasks AS c INDEXED BY tasks_open_children WHERE c.parent = tasks.id AND c.ended_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM limits AS l WHERE l.function = tasks.function)
RETURNING
    id, row, execution, parent IS NULL AS is_root, FALSE AS parent_waits, FALSE AS has_open, FALSE AS has_memo, FALSE AS is_limited;
