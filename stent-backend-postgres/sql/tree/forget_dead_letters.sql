-- $1: tasks.
DELETE FROM dead_letters WHERE task = ANY ($1::uuid[]);
