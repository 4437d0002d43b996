-- ?1: [[task, whether it is cancelled itself, on whose account, in which turn], …]; ?2: now.
-- Open tasks hang together under open parents, so following open children finds all of them.
WITH RECURSIVE below (row, id, is_doomed, account, turn) AS (
    SELECT top.row, top.id, given.value ->> 1, unhex(given.value ->> 2), given.value ->> 3
    FROM json_each(?1) AS given
    CROSS JOIN tasks AS top ON top.id = unhex(given.value ->> 0)
    UNION ALL
    SELECT child.row, child.id, 1, below.account, below.turn
    FROM below
    CROSS JOIN tasks AS child INDEXED BY tasks_open_children ON child.parent = below.id
    WHERE child.ended_at IS NULL
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
-- With the plus nothing can be looked up in what is below; the planner would go through all tasks to do so.
WHERE tasks.row = +below.row
    AND below.is_doomed
    AND tasks.ended_at IS NULL;
