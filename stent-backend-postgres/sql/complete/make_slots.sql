-- $1 to $3: tasks, tokens, and names of the slots that they wait for. A wait makes its slot; one that is missing all the same is made here: a sender who
-- finds none would meet nobody.
INSERT INTO signals (execution, name)
SELECT DISTINCT own.execution, w.name
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS w (task, token, name)
CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = w.task OFFSET 0) AS own
WHERE own.state = 'running' AND own.token = w.token
    AND (SELECT TRUE FROM signals AS s WHERE s.execution = own.execution AND s.name = w.name) IS NULL
-- Slots are made in the order in which they are locked.
ORDER BY own.execution, w.name
ON CONFLICT (execution, name) DO NOTHING;
