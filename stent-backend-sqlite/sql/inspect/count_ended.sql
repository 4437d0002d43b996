-- ?1, ?2: from when, and before when.
SELECT function, state, count(*) AS tasks
FROM tasks INDEXED BY tasks_ended
WHERE parent IS NULL AND deleting = 0 AND ended_at IS NOT NULL AND ended_at >= ?1 AND ended_at < ?2
GROUP BY function, state;
