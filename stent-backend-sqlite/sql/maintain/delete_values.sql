-- ?1: executions; ?2: how many rows at most.
DELETE FROM state_values
WHERE (execution, name) IN (
    SELECT state_values.execution, state_values.name
    FROM json_each(?1) AS gone
    CROSS JOIN state_values ON state_values.execution = unhex(gone.value)
    LIMIT ?2 + 0
);
