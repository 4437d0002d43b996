-- $1: tasks whose journals begin anew: nothing reopens what they cancelled before.
UPDATE tasks
SET cancelled_by = NULL, cancelled_turn = NULL
WHERE cancelled_by = ANY ($1::uuid[]);
