-- $1 to $3: states, function and queue, or NULL.
SELECT count(*) AS count
FROM tasks
WHERE execution NOT IN (SELECT id FROM tasks WHERE deleting)
    AND ($1::text[] IS NULL OR state = ANY ($1))
    AND ($2::text IS NULL OR function = $2)
    AND ($3::text IS NULL OR queue = $3);
