-- $1: tasks, which are locked and wait for the signal; $2: now.
UPDATE tasks
SET state = 'pending', due = $2::timestamp
WHERE id = ANY ($1::uuid[]);
