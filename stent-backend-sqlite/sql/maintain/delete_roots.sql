-- ?1: executions of which nothing else is left; ?2: how many rows at most.
DELETE FROM tasks
WHERE row IN (
    SELECT tasks.row
    FROM json_each(?1) AS gone
    CROSS JOIN tasks ON tasks.id = unhex(gone.value)
    WHERE tasks.deleting = 1
    LIMIT ?2 + 0
);
