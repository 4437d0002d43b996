-- $1, $2: tasks and tokens; $3: names of signals to be taken. Who sends waits for the take, and who takes at the same time for its journal entry.
SELECT slots.name
FROM (
    SELECT DISTINCT own.execution, w.name
    FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (task, token, name)
    CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = w.task OFFSET 0) AS own
    WHERE own.state = 'running' AND own.token = w.token
    ORDER BY own.execution, w.name
) AS slots
CROSS JOIN LATERAL (
    SELECT FROM signals AS s WHERE s.execution = slots.execution AND s.name = slots.name FOR NO KEY UPDATE) AS slot;
