-- ?2 to ?4: states, function and queue, or NULL.
SELECT count(*) AS count
FROM tasks
WHERE execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
    AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR function = ?3)
    AND (?4 IS NULL OR queue = ?4);
