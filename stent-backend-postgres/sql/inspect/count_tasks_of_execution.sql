-- $1 to $3: states, function and queue, or NULL; $4: parent, or NULL; $5: execution, or NULL for the parent's.
SELECT (
    SELECT count(*)
    FROM tasks
    WHERE id = coalesce($5::uuid, (SELECT execution FROM tasks WHERE id = $4::uuid))
        AND parent IS NULL
        AND $4 IS NULL
        AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
        AND ($1::text[] IS NULL OR state = ANY ($1))
        AND ($2::text IS NULL OR function = $2)
        AND ($3::text IS NULL OR queue = $3)
) + (
    SELECT count(*)
    FROM tasks
    WHERE execution = coalesce($5, (SELECT execution FROM tasks WHERE id = $4))
        AND parent IS NOT NULL
        AND ($4 IS NULL OR parent = $4)
        AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
        AND ($1 IS NULL OR state = ANY ($1))
        AND ($2 IS NULL OR function = $2)
        AND ($3 IS NULL OR queue = $3)
) AS count;
