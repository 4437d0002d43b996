-- ?1: executions; ?2: how many rows at most. A result that was stored has no owner any more, and stays.
DELETE FROM memos
WHERE key IN (
    SELECT memos.key
    FROM json_each(?1) AS gone
    CROSS JOIN (SELECT id AS execution, id FROM tasks WHERE parent IS NULL
                UNION ALL
                SELECT execution, id FROM tasks WHERE parent IS NOT NULL) AS owner ON owner.execution = unhex(gone.value)
    CROSS JOIN memos INDEXED BY memos_owner ON memos.owner = owner.id
    LIMIT ?2 + 0
);
