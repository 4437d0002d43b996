-- $1: tasks that have ended; $2: now.
UPDATE tasks
SET state = 'pending',
    due = $2::timestamp,
    attempt = 0,
    deliveries = 0,
    counted = FALSE,
    token = NULL,
    claimed_at = NULL,
    ended_at = NULL,
    resume = NULL
WHERE id = ANY ($1::uuid[]);
