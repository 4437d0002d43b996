-- ?1: dead letter.
DELETE FROM dead_letters WHERE task = ?1 AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1);
