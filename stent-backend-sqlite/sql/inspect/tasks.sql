-- ?1: the last one of the page before, or what comes before all; ?2 to ?4: states, function and queue, or NULL; ?5: how many at most.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM tasks
WHERE id > ?1
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
    AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR function = ?3)
    AND (?4 IS NULL OR queue = ?4)
ORDER BY id
LIMIT ?5 + 0;
