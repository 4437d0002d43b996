-- $1: execution.
SELECT id, function, version, queue, tags, priority, state, created_at, started_at, ended_at, deadline, failure, dedup
FROM tasks
WHERE id = $1::uuid AND parent IS NULL AND NOT deleting;
