-- $1, $2: tasks, and names of the slots that they wait for. A sender waits for this transaction and finds the tasks suspended, or this one waits and
-- finds the value.
SELECT slots.name
FROM (
    SELECT DISTINCT own.execution, w.name
    FROM unnest($1::uuid[], $2::text[]) AS w (task, name)
    CROSS JOIN LATERAL (SELECT t.execution FROM tasks AS t WHERE t.id = w.task OFFSET 0) AS own
    ORDER BY own.execution, w.name
) AS slots
CROSS JOIN LATERAL (SELECT FROM signals AS s WHERE s.execution = slots.execution AND s.name = slots.name FOR SHARE) AS slot;
