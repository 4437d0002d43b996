-- ?1: worker; ?2: token; ?3: [[function, version], …] without limits; ?4: queues, or NULL for every one; ?5: tags, or NULL for all; ?6: how many at most;
-- ?7: until when leases have run out, or NULL. When the next task falls due, when the next deadline passes, whether the claim is repeated, and the best
-- tasks that are free, as one array: rows cost more to hand over than to find, and statements more than what they look at.
SELECT (SELECT due
        FROM tasks INDEXED BY tasks_due
        WHERE state IN ('scheduled', 'suspended') AND due IS NOT NULL
        ORDER BY due
        LIMIT 1) AS due,
       (SELECT deadline
        FROM tasks INDEXED BY tasks_deadline
        WHERE deadline IS NOT NULL AND ended_at IS NULL
        ORDER BY deadline
        LIMIT 1) AS deadline,
       EXISTS (SELECT 1
               FROM tasks INDEXED BY tasks_running
               WHERE state = 'running' AND worker = ?1 AND token = ?2) AS is_repeat,
       (SELECT json_group_array(json_array(row, priority, due, hex(id), is_new))
        FROM (
            SELECT task.row, coalesce(task.priority, 0) AS priority, task.due, task.id, task.started_at IS NULL AND task.attempt IS 0 AS is_new
            FROM (
                -- A function's best tasks come from the index alone, in order: a crowd behind them, or of another function, is not seen.
                SELECT best.value AS row
                FROM json_each(?3) AS asked
                CROSS JOIN json_each((
                    SELECT json_group_array(row)
                    FROM (
                        SELECT row
                        FROM tasks INDEXED BY tasks_pending
                        WHERE state = 'pending'
                            AND function = asked.value ->> 0
                            AND version = asked.value ->> 1
                            AND (queue IS NULL OR ?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
                            AND (tags IS NULL OR ?5 IS NULL OR EXISTS (
                                SELECT 1
                                FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
                                JOIN json_each(?5) AS own ON own.value = tag.value
                            ))
                        ORDER BY priority DESC, due, id
                        LIMIT ?6 + 0
                    )
                )) AS best
                UNION ALL
                SELECT row
                FROM tasks INDEXED BY tasks_lease
                WHERE state = 'running'
                    AND lease_until <= ?7
                    AND EXISTS (SELECT 1 FROM json_each(?3) AS asked
                                WHERE asked.value ->> 0 = function AND asked.value ->> 1 = version)
                    AND (queue IS NULL OR ?4 IS NULL OR queue IN (SELECT value FROM json_each(?4)))
                    AND (tags IS NULL OR ?5 IS NULL OR EXISTS (
                        SELECT 1
                        FROM json_each(CASE WHEN json_valid(tags) THEN tags ELSE '[]' END) AS tag
                        JOIN json_each(?5) AS own ON own.value = tag.value
                    ))
            ) AS candidate
            CROSS JOIN tasks AS task ON task.row = candidate.row
            ORDER BY coalesce(task.priority, 0) DESC, task.due, task.id
            LIMIT ?6 + 0
        )) AS free;
