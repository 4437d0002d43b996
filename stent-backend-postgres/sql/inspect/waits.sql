-- $1: a task. What one that is not suspended left behind means nothing.
SELECT w.task, w.signal, w.op_turn, w.op_name, w.op_number, w.first, w.past, w.settled
FROM (SELECT t.state, t.execution FROM tasks AS t WHERE t.id = $1::uuid OFFSET 0) AS own
JOIN waits AS w ON w.task = $1
WHERE own.state = 'suspended' AND own.execution NOT IN (SELECT id FROM tasks WHERE deleting)
ORDER BY w.signal IS NULL, w.signal COLLATE "C", w.op_turn, w.op_name COLLATE "C", w.op_number, w.first;
