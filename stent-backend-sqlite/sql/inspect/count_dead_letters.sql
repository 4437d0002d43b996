-- ?1: execution, or NULL; ?2: function, or NULL.
SELECT count(*) AS count
FROM dead_letters
WHERE (?1 IS NULL OR execution = ?1)
    AND (?2 IS NULL OR function = ?2)
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1);
