-- ?1: tasks whose journals begin anew: nothing reopens what they cancelled before.
UPDATE tasks
SET cancelled_by = NULL, cancelled_turn = NULL
WHERE cancelled_by IN (SELECT unhex(value) FROM json_each(?1));
