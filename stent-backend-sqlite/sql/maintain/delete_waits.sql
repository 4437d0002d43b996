-- ?1: executions; ?2: how many rows at most.
DELETE FROM waits
WHERE (task, number) IN (
    SELECT waits.task, waits.number
    FROM json_each(?1) AS gone
    CROSS JOIN (SELECT id AS execution, id FROM tasks WHERE parent IS NULL
                UNION ALL
                SELECT execution, id FROM tasks WHERE parent IS NOT NULL) AS owner ON owner.execution = unhex(gone.value)
    CROSS JOIN waits ON waits.task = owner.id
    LIMIT ?2 + 0
);
