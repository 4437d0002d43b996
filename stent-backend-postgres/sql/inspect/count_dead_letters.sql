-- $1: function, or NULL; $2: execution, or NULL.
SELECT count(*) AS count
FROM dead_letters
WHERE ($1::text IS NULL OR function = $1)
    AND ($2::uuid IS NULL OR execution = $2)
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting);
