-- $1: execution.
SELECT id, state, started_at IS NOT NULL AS is_started, deleting, resume
FROM tasks
WHERE id = $1::uuid AND parent IS NULL;
