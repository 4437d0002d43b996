-- ?1: now; ?2: how many at most.
UPDATE tasks
SET state = 'pending'
WHERE row IN (
    SELECT row
    FROM tasks INDEXED BY tasks_due
    WHERE state IN ('scheduled', 'suspended') AND due <= ?1
    ORDER BY due, row
    LIMIT ?2 + 0
);
