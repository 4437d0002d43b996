-- ?1: executions; ?2: how many rows at most.
DELETE FROM counters
WHERE (execution, name) IN (
    SELECT counters.execution, counters.name
    FROM json_each(?1) AS gone
    CROSS JOIN counters ON counters.execution = unhex(gone.value)
    LIMIT ?2 + 0
);
