-- $1: worker; $2: token. When the next task falls due, when the next deadline passes, and whether the claim is repeated.
SELECT (SELECT t.due
        FROM tasks AS t
        WHERE t.state IN ('scheduled', 'suspended') AND t.due IS NOT NULL
        ORDER BY t.due, t.id
        LIMIT 1) AS due,
       (SELECT t.deadline
        FROM tasks AS t
        WHERE t.deadline IS NOT NULL AND t.ended_at IS NULL
        ORDER BY t.deadline, t.id
        LIMIT 1) AS deadline,
       EXISTS (SELECT 1
               FROM tasks AS t
               WHERE t.state = 'running' AND t.worker = $1::uuid AND t.token = $2::uuid) AS is_repeat;
