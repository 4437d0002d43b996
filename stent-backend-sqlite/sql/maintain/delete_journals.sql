-- ?1: executions; ?2: how many rows at most.
DELETE FROM journal
WHERE (task, generation, seq) IN (
    SELECT journal.task, journal.generation, journal.seq
    FROM json_each(?1) AS gone
    CROSS JOIN (SELECT id AS execution, id FROM tasks WHERE parent IS NULL
                UNION ALL
                SELECT execution, id FROM tasks WHERE parent IS NOT NULL) AS owner ON owner.execution = unhex(gone.value)
    CROSS JOIN journal ON journal.task = owner.id
    LIMIT ?2 + 0
);
