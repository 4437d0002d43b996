-- $1: the last one of the page before, or NULL; $2: how many at most; $3 to $5: states, function and queue, or NULL; $6: parent, or NULL;
-- $7: execution, or NULL for the parent's. The root, and what is below it in order from its index.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM (
    SELECT *
    FROM (
        SELECT *
        FROM tasks
        WHERE id = coalesce($7::uuid, (SELECT execution FROM tasks WHERE id = $6::uuid)) AND parent IS NULL AND $6 IS NULL
        OFFSET 0
    ) AS root
    WHERE id > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
        AND ($3::text[] IS NULL OR state = ANY ($3))
        AND ($4::text IS NULL OR function = $4)
        AND ($5::text IS NULL OR queue = $5)
    UNION ALL
    SELECT *
    FROM (
        SELECT *
        FROM tasks
        WHERE execution = coalesce($7, (SELECT execution FROM tasks WHERE id = $6))
            AND parent IS NOT NULL
            AND id > coalesce($1, '00000000-0000-0000-0000-000000000000')
            -- However few the filter lets through: they are read in order, until there are enough. Of CASE the planner expects that it lets half of them
            -- through; for the few that it hopes for otherwise it would sort all.
            AND CASE WHEN $6 IS NULL THEN TRUE ELSE parent = $6 END
            AND CASE WHEN $3 IS NULL THEN TRUE ELSE state = ANY ($3) END
            AND CASE WHEN $4 IS NULL THEN TRUE ELSE function = $4 END
            AND CASE WHEN $5 IS NULL THEN TRUE ELSE queue = $5 END
        ORDER BY id
        LIMIT $2::bigint
    ) AS below
) AS both_parts
WHERE execution NOT IN (SELECT id FROM tasks WHERE deleting)
ORDER BY id
LIMIT $2;
