-- ?1: tasks. Which of them were cancelled.
SELECT id FROM tasks WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND state = 'cancelled';
