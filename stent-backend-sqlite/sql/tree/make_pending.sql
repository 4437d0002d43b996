-- ?1: tasks that have ended; ?2: now.
UPDATE tasks
SET state = 'pending',
    due = ?2,
    reopened_at = ?2,
    attempt = 0,
    deliveries = 0,
    counted = 0,
    token = NULL,
    claimed_at = NULL,
    ended_at = NULL,
    resume = NULL
WHERE id IN (SELECT unhex(value) FROM json_each(?1));
