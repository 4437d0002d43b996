-- $1: now; $2: how many at most.
SELECT id
FROM tasks
WHERE deadline <= $1::timestamp
    AND deadline IS NOT NULL
    AND ended_at IS NULL
ORDER BY deadline, id
LIMIT $2::bigint;
