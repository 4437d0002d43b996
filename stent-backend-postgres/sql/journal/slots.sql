-- $1, $2: tasks and tokens; $3: names of signals that are waited for or to be taken. Makes their slots, where whoever waits and whoever sends meet.
INSERT INTO signals (execution, name)
SELECT DISTINCT own.execution, w.name
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (task, token, name)
CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = w.task OFFSET 0) AS own
WHERE own.state = 'running' AND own.token = w.token
-- Slots are made in the order in which they are locked.
ORDER BY own.execution, w.name
ON CONFLICT (execution, name) DO NOTHING;
