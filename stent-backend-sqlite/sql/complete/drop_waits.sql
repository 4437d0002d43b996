-- ?1: tasks. What their suspensions before have left.
DELETE FROM waits WHERE task IN (SELECT unhex(value) FROM json_each(?1));
