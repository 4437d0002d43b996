-- ?1: before which time they ended; ?2: how many at most. From here on they are gone for everyone.
UPDATE tasks
SET deleting = 1
WHERE row IN (
    SELECT row
    FROM tasks INDEXED BY tasks_ended
    WHERE parent IS NULL AND ended_at < ?1 AND deleting = 0
    ORDER BY ended_at, row
    LIMIT ?2 + 0
);
