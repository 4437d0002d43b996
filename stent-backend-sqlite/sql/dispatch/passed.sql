-- ?1: now; ?2: how many at most.
SELECT id
FROM tasks INDEXED BY tasks_deadline
WHERE deadline <= ?1
    AND ended_at IS NULL
ORDER BY deadline, id
LIMIT ?2 + 0;
