-- ?1: worker; ?2: token. When the next task falls due, when the next deadline passes, and whether the claim is repeated.
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
               WHERE state = 'running' AND worker = ?1 AND token = ?2) AS is_repeat;
