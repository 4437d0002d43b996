-- $1: tasks. What their suspensions before have left.
DELETE FROM waits WHERE task = ANY ($1::uuid[]);
