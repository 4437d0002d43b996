-- ?1: execution.
SELECT id, function, version, queue, tags, priority, state, created_at, started_at, ended_at, deadline, failure, dedup
FROM tasks
WHERE id = ?1 AND parent IS NULL AND deleting = 0;
