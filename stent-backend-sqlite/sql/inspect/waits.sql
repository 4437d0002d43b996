-- ?1: a task. What one that is not suspended left behind means nothing.
SELECT w.task, w.signal, w.op_turn, w.op_name, w.op_number, w.first, w.past, w.settled
FROM waits AS w
CROSS JOIN tasks AS t ON t.id = w.task
WHERE w.task = ?1 AND t.state = 'suspended' AND t.execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
ORDER BY w.signal IS NULL, w.signal, w.op_turn, w.op_name, w.op_number, w.first;
