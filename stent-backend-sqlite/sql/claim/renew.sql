-- ?1: [[task, token], …]; ?2: when the leases run out now.
UPDATE tasks
SET lease_until = ?2
FROM json_each(?1) AS claim
WHERE tasks.id = unhex(claim.value ->> 0)
    -- The fence.
    AND tasks.state = 'running'
    AND tasks.token = unhex(claim.value ->> 1)
RETURNING id;
