-- When the next task falls due, and when the next deadline passes.
SELECT (SELECT due
        FROM tasks INDEXED BY tasks_due
        WHERE state IN ('scheduled', 'suspended') AND due IS NOT NULL
        ORDER BY due
        LIMIT 1) AS due,
       (SELECT deadline
        FROM tasks INDEXED BY tasks_deadline
        WHERE deadline IS NOT NULL AND state IN ('scheduled', 'pending', 'running', 'suspended')
        ORDER BY deadline
        LIMIT 1) AS deadline;
