-- $1: the last one of the page before, or NULL; $2: how many at most; $3 to $5: states, function and queue, or NULL.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM tasks
-- One comparison, so that the index begins there.
WHERE id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
    -- However few the filter lets through: they are read in order, until there are enough. Of CASE the planner expects that it lets half of them through; for
    -- the few that it hopes for otherwise it would sort all.
    AND CASE WHEN $3::text[] IS NULL THEN TRUE ELSE state = ANY ($3) END
    AND CASE WHEN $4::text IS NULL THEN TRUE ELSE function = $4 END
    AND CASE WHEN $5::text IS NULL THEN TRUE ELSE queue = $5 END
ORDER BY id
LIMIT $2::bigint;
