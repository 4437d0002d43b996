-- ?1: the last one of the page before, or what comes after all; ?2 to ?6: states, function, queue, tag and earliest dispatch, or NULL; ?7: how many at most.
SELECT id, function, version, queue, tags, priority, state, created_at, started_at, ended_at, deadline, failure, dedup
FROM tasks INDEXED BY tasks_roots
WHERE id < ?1
    AND parent IS NULL
    AND deleting = 0
    -- Once started it is shown as running, also between two claims.
    AND (?2 IS NULL
         OR CASE WHEN state IN ('scheduled', 'pending') AND started_at IS NOT NULL THEN 'running' ELSE state END
            IN (SELECT value FROM json_each(?2)))
    AND (?3 IS NULL OR function = ?3)
    AND (?4 IS NULL OR queue = ?4)
    AND (?5 IS NULL OR EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) WHERE value = ?5))
    AND (?6 IS NULL OR created_at >= ?6)
ORDER BY id DESC
LIMIT ?7 + 0;
