-- ?1: tasks.
DELETE FROM dead_letters WHERE task IN (SELECT unhex(value) FROM json_each(?1));
