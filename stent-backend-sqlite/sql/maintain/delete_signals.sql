-- ?1: executions; ?2: how many rows at most.
DELETE FROM signals
WHERE (execution, name) IN (
    SELECT signals.execution, signals.name
    FROM json_each(?1) AS gone
    CROSS JOIN signals ON signals.execution = unhex(gone.value)
    LIMIT ?2 + 0
);
