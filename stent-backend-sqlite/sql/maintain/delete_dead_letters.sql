-- ?1: executions; ?2: how many rows at most.
DELETE FROM dead_letters
WHERE task IN (
    SELECT dead_letters.task
    FROM json_each(?1) AS gone
    CROSS JOIN dead_letters ON dead_letters.execution = unhex(gone.value)
    LIMIT ?2 + 0
);
