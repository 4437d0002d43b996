-- ?1: function; ?2: queues, or NULL for every one; ?3: tags, or NULL for all; ?4: how many places are free; ?5: until when leases have
-- run out, or NULL; ?6: version.
SELECT row, id, priority, due, place, above
FROM (
    -- Those that need a free place.
    SELECT row, id, priority, due, 0 AS place, NULL AS above
    FROM (
        SELECT row, id, priority, due
        FROM tasks INDEXED BY tasks_pending
        WHERE state = 'pending'
            AND function = ?1
            AND version = ?6
            AND place = 0
            AND ancestors = 0
            AND (queue IS NULL OR ?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
            AND (tags IS NULL OR ?3 IS NULL OR EXISTS (
                SELECT 1
                FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
                JOIN json_each(?3) AS own ON own.value = tag.value
            ))
        ORDER BY priority DESC, due, id
        LIMIT ?4 + 0
    )
    UNION ALL
    -- Those that hold one already, and those with ancestors of the function: which, and whether these hold one.
    SELECT row, id, priority, due, place, CASE WHEN ancestors > 0 THEN (
            WITH RECURSIVE above (parent, id, place, function) AS (
                SELECT special.parent, NULL, NULL, NULL
                UNION ALL
                SELECT up.parent, up.id, up.place, up.function
                FROM above CROSS JOIN tasks AS up ON up.id = above.parent
            )
            SELECT json_group_array(json_array(hex(id), place)) FROM above WHERE function = ?1) END
    FROM tasks AS special
    WHERE row IN (
            SELECT row
            FROM tasks INDEXED BY tasks_pending_placed
            WHERE state = 'pending' AND (place = 1 OR ancestors > 0) AND function = ?1 AND version = ?6
            UNION ALL
            SELECT row
            FROM tasks INDEXED BY tasks_lease
            WHERE state = 'running' AND lease_until <= ?5 AND function = ?1 AND version = ?6
        )
        AND (queue IS NULL OR ?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
        AND (tags IS NULL OR ?3 IS NULL OR EXISTS (
            SELECT 1
            FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
            JOIN json_each(?3) AS own ON own.value = tag.value
        ))
);
