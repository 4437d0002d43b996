-- ?1: now. Ready are pending tasks, and due ones that no claim has promoted yet. Each state has an index of its own.
SELECT queue,
       sum(state = 'ready') AS ready,
       sum(state = 'scheduled') AS scheduled,
       sum(state = 'running') AS running,
       sum(state = 'suspended') AS suspended,
       min(CASE WHEN state = 'ready' THEN due END) AS oldest_ready
FROM (
    SELECT queue, due, 'ready' AS state FROM tasks INDEXED BY tasks_pending WHERE state = 'pending'
    UNION ALL
    SELECT queue, due, CASE WHEN due <= ?1 THEN 'ready' ELSE 'scheduled' END
    FROM tasks INDEXED BY tasks_due
    -- The index knows both states.
    WHERE state IN ('scheduled', 'suspended') AND state = 'scheduled' AND due IS NOT NULL
    UNION ALL
    SELECT queue, due, CASE WHEN due <= ?1 THEN 'ready' ELSE 'suspended' END
    FROM tasks INDEXED BY tasks_suspended
    WHERE state = 'suspended'
    UNION ALL
    SELECT queue, due, 'running' FROM tasks INDEXED BY tasks_running WHERE state = 'running'
)
GROUP BY queue
ORDER BY queue;
