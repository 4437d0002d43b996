-- ?1: [[function, version], …] without limits; ?2: queues, or NULL for every one; ?3: tags, or NULL for all; ?4: how many at most;
-- ?5: until when leases have run out, or NULL. Answers with one array: rows cost more to hand over than to find.
SELECT json_group_array(json_array(row, priority, due, hex(id)))
FROM (
    SELECT task.row, task.priority, task.due, task.id
    FROM (
        -- A function's best tasks come from the index alone, in order: a crowd behind them, or of another function, is not seen.
        SELECT best.value AS row
        FROM json_each(?1) AS asked
        CROSS JOIN json_each((
            SELECT json_group_array(row)
            FROM (
                SELECT row
                FROM tasks INDEXED BY tasks_pending
                WHERE state = 'pending'
                    AND function = asked.value ->> 0
                    AND version = asked.value ->> 1
                    AND (queue IS NULL OR ?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
                    AND (tags IS NULL OR ?3 IS NULL OR EXISTS (
                        SELECT 1
                        FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
                        JOIN json_each(?3) AS own ON own.value = tag.value
                    ))
                ORDER BY priority DESC, due, id
                LIMIT ?4 + 0
            )
        )) AS best
        UNION ALL
        SELECT row
        FROM tasks INDEXED BY tasks_lease
        WHERE state = 'running'
            AND lease_until <= ?5
            AND EXISTS (SELECT 1 FROM json_each(?1) AS asked
                        WHERE asked.value ->> 0 = function AND asked.value ->> 1 = version)
            AND (queue IS NULL OR ?2 IS NULL OR queue IN (SELECT value FROM json_each(?2)))
            AND (tags IS NULL OR ?3 IS NULL OR EXISTS (
                SELECT 1
                FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
                JOIN json_each(?3) AS own ON own.value = tag.value
            ))
    ) AS candidate
    CROSS JOIN tasks AS task ON task.row = candidate.row
    ORDER BY task.priority DESC, task.due, task.id
    LIMIT ?4 + 0
);
