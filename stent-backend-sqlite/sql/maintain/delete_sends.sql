-- ?1: executions; ?2: how many rows at most.
DELETE FROM signal_sends
WHERE id IN (
    SELECT signal_sends.id
    FROM json_each(?1) AS gone
    CROSS JOIN signal_sends ON signal_sends.execution = unhex(gone.value)
    LIMIT ?2 + 0
);
