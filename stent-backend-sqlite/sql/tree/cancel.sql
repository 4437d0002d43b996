-- ?1: [[task, whether it is cancelled itself, on whose account, in which turn], …]; ?2: now.
-- Open tasks hang together under open parents, so following open children finds all of them.
WITH RECURSIVE below (row, id, is_doomed, account, turn, place) AS (
    SELECT top.row, top.id, given.value ->> 1, unhex(given.value ->> 2), given.value ->> 3, given.key
    FROM json_each(?1) AS given
    CROSS JOIN tasks AS top ON top.id = unhex(given.value ->> 0)
    UNION ALL
    SELECT child.row, child.id, 1, below.account, below.turn, below.place
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
    cancelled_by = doomed.account,
    cancelled_turn = doomed.turn
-- Who is in several trees is put to the account of the first.
FROM (SELECT row, account, turn, min(place) FROM below WHERE is_doomed GROUP BY row) AS doomed
-- With the plus nothing can be looked up in what is below; the planner would go through all tasks to do so.
WHERE tasks.row = +doomed.row
    AND tasks.ended_at IS NULL;
