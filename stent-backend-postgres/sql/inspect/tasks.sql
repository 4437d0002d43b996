-- $1: the last one of the page before, or NULL; $2: how many at most; $3 to $5: states, function and queue, or NULL.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM (
    SELECT *
    FROM tasks
    -- One comparison, so that the index begins there.
    WHERE id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
    ORDER BY id
    -- However few the filter may let through: they are read in order, until there are enough.
    OFFSET 0
) AS after
WHERE execution NOT IN (SELECT id FROM tasks WHERE deleting)
    AND ($3::text[] IS NULL OR state = ANY ($3))
    AND ($4::text IS NULL OR function = $4)
    AND ($5::text IS NULL OR queue = $5)
ORDER BY id
LIMIT $2::bigint;
