-- $1: now. Ready are pending tasks, and due ones that no claim has promoted yet. Each state has an index of its own.
SELECT queue,
       count(*) FILTER (WHERE state = 'ready') AS ready,
       count(*) FILTER (WHERE state = 'scheduled') AS scheduled,
       count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state = 'suspended') AS suspended,
       min(due) FILTER (WHERE state = 'ready') AS oldest_ready
FROM (
    SELECT queue, due, 'ready' AS state FROM tasks WHERE state = 'pending'
    UNION ALL
    SELECT queue, due, CASE WHEN due <= $1::timestamp THEN 'ready' ELSE 'scheduled' END
    FROM tasks
    WHERE state = 'scheduled' AND due IS NOT NULL
    UNION ALL
    SELECT queue, due, CASE WHEN due <= $1 THEN 'ready' ELSE 'suspended' END FROM tasks WHERE state = 'suspended'
    UNION ALL
    SELECT queue, due, 'running' FROM tasks WHERE state = 'running'
) AS open
GROUP BY queue
-- By bytes, whatever the database's language.
ORDER BY queue COLLATE "C" NULLS FIRST;
