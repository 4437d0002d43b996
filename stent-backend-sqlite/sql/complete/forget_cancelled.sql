-- ?1: tasks that began a new journal. No later resumption brings back what was cancelled on the account of an old one.
UPDATE tasks
SET cancelled_by = NULL, cancelled_turn = NULL
WHERE cancelled_by IN (SELECT unhex(value) FROM json_each(?1));
