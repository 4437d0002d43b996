-- ?1: executions; ?2: how many rows at most.
DELETE FROM tasks
WHERE row IN (
    SELECT tasks.row
    FROM json_each(?1) AS gone
    CROSS JOIN tasks INDEXED BY tasks_execution ON tasks.execution = unhex(gone.value)
    WHERE tasks.parent IS NOT NULL
    LIMIT ?2 + 0
);
