-- ?1: the last one of the page before, or what comes before all; ?2 to ?4: states, function and queue, or NULL; ?5: parent, or NULL;
-- ?6: execution, or NULL for the parent's; ?7: how many at most. Both parts come in order from their indexes and are merged.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM tasks
WHERE id = coalesce(?6, (SELECT execution FROM tasks WHERE id = ?5))
    AND parent IS NULL
    AND id > ?1
    AND ?5 IS NULL
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
    AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR function = ?3)
    AND (?4 IS NULL OR queue = ?4)
UNION ALL
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM tasks INDEXED BY tasks_execution
WHERE execution = coalesce(?6, (SELECT execution FROM tasks WHERE id = ?5))
    AND parent IS NOT NULL
    AND id > ?1
    AND (?5 IS NULL OR parent = ?5)
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
    AND (?2 IS NULL OR state IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR function = ?3)
    AND (?4 IS NULL OR queue = ?4)
ORDER BY id
LIMIT ?7 + 0;
