-- ?1: task; ?2: the first turn whose cancellations are taken back; ?3: now.
UPDATE tasks
SET state = 'pending',
    due = ?3,
    reopened_at = ?3,
    attempt = 0,
    deliveries = 0,
    counted = 0,
    token = NULL,
    claimed_at = NULL,
    ended_at = NULL,
    cancelled_by = NULL,
    cancelled_turn = NULL
WHERE cancelled_by = ?1
    AND cancelled_turn >= ?2
    AND state = 'cancelled';
