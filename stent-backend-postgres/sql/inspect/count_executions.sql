-- $1 to $5: states, function, queue, tag and earliest dispatch, or NULL.
SELECT count(*) AS count
FROM tasks
WHERE parent IS NULL
    AND NOT deleting
    -- Once started it is shown as running, also between two claims.
    AND ($1::text[] IS NULL
         OR CASE WHEN state IN ('scheduled', 'pending') AND started_at IS NOT NULL THEN 'running' ELSE state END = ANY ($1))
    AND ($2::text IS NULL OR function = $2)
    AND ($3::text IS NULL OR queue = $3)
    AND ($4::text IS NULL OR tags @> ARRAY[$4])
    AND ($5::timestamp IS NULL OR created_at >= $5);
