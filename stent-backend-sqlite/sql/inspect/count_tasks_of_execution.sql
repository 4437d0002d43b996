-- ?2 to ?4: states, function and queue, or NULL; ?5: parent, or NULL; ?6: execution, or NULL for the parent's.
SELECT (
    SELECT count(*)
    FROM tasks
    WHERE id = coalesce(?6, (SELECT execution FROM tasks WHERE id = ?5))
        AND parent IS NULL
        AND ?5 IS NULL
        AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
        AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
        AND (?3 IS NULL OR function = ?3)
        AND (?4 IS NULL OR queue = ?4)
) + (
    SELECT count(*)
    FROM tasks INDEXED BY tasks_execution
    WHERE execution = coalesce(?6, (SELECT execution FROM tasks WHERE id = ?5))
        AND parent IS NOT NULL
        AND (?5 IS NULL OR parent = ?5)
        AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
        AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
        AND (?3 IS NULL OR function = ?3)
        AND (?4 IS NULL OR queue = ?4)
) AS count;
