-- $1: execution; $2: name, whose slot is locked, so that nobody else begins to wait. Who waits, in the order in which every transaction locks tasks.
SELECT own.id
FROM (
    SELECT w.task, t.depth
    FROM waits AS w
    CROSS JOIN LATERAL (SELECT c.depth, c.state FROM tasks AS c WHERE c.id = w.task OFFSET 0) AS t
    WHERE w.execution = $1::uuid AND w.signal = $2::text AND t.state = 'suspended'
    ORDER BY t.depth DESC, w.task
) AS waiting
CROSS JOIN LATERAL (SELECT t.id, t.state FROM tasks AS t WHERE t.id = waiting.task OFFSET 0 FOR NO KEY UPDATE) AS own
-- Asked of the rows as they are now that they are locked.
WHERE own.state = 'suspended';
