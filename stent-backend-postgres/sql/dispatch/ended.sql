-- $1: task.
SELECT id, parent, state, resume FROM tasks WHERE id = $1::uuid;
