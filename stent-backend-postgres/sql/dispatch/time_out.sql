-- $1: root; $2: now. It is locked: by now another may have ended it, or a redrive may have given it more time.
UPDATE tasks
SET state = 'timed_out',
    ended_at = $2::timestamp,
    place = FALSE,
    worker = NULL,
    lease_until = NULL
WHERE id = $1::uuid
    AND deadline <= $2
    AND ended_at IS NULL;
