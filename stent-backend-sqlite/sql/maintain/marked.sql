-- ?1: how many at most.
SELECT id FROM tasks INDEXED BY tasks_deleting WHERE deleting = 1 ORDER BY id LIMIT ?1 + 0;
