-- $1: the last one of the page before, or NULL; $2: how many at most; $3 to $7: states, function, queue, tag and earliest dispatch, or NULL.
SELECT id, function, version, queue, tags, priority, state, created_at, started_at, ended_at, deadline, failure, dedup
FROM (
    SELECT *
    FROM tasks
    -- One comparison, so that the index begins there.
    WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND parent IS NULL AND NOT deleting
    ORDER BY id DESC
    -- However few the filter may let through: they are read in order, until there are enough.
    OFFSET 0
) AS roots
-- Once started it is shown as running, also between two claims.
WHERE ($3::text[] IS NULL
       OR CASE WHEN state IN ('scheduled', 'pending') AND started_at IS NOT NULL THEN 'running' ELSE state END = ANY ($3))
    AND ($4::text IS NULL OR function = $4)
    AND ($5::text IS NULL OR queue = $5)
    AND ($6::text IS NULL OR tags @> ARRAY[$6])
    AND ($7::timestamp IS NULL OR created_at >= $7)
ORDER BY id DESC
LIMIT $2::bigint;
