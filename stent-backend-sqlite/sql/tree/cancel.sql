-- ?1: [[task, whether it is cancelled itself, on whose account, in which turn], …]; ?2: now.
-- Open tasks hang together under open parents, so following open children finds all of them.
WITH RECURSIVE below (id, is_doomed, account, turn) AS (
    SELECT unhex(value ->> 0), value ->> 1, unhex(value ->> 2), value ->> 3 FROM json_each(?1)
    UNION ALL
    SELECT child.id, 1, below.account, below.turn
    FROM below
    JOIN tasks AS child INDEXED BY tasks_open_children ON child.parent = below.id
    WHERE child.state IN ('scheduled', 'pending', 'running', 'suspended')
)
UPDATE tasks
SET state = 'cancelled',
    ended_at = ?2,
    place = 0,
    worker = NULL,
    lease_until = NULL,
    cancelled_by = below.account,
    cancelled_turn = below.turn
FROM below
WHERE tasks.id = below.id
    AND below.is_doomed
    AND tasks.state IN ('scheduled', 'pending', 'running', 'suspended');
