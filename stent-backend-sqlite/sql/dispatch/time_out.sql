-- ?1: roots whose deadline has passed; ?2: now.
UPDATE tasks
SET state = 'timed_out',
    ended_at = ?2,
    place = 0,
    worker = NULL,
    lease_until = NULL
WHERE id IN (SELECT unhex(value) FROM json_each(?1));
