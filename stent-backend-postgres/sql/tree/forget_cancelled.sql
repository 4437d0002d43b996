-- $1: tasks whose journals begin anew: nothing reopens what they cancelled before. Answers with how many that are, and how many of them could be locked
-- without waiting. Who cancels holds what it found open, also if that has ended meanwhile, and waits for tasks above it.
WITH found AS MATERIALIZED (
    SELECT t.id FROM tasks AS t WHERE t.cancelled_by = ANY ($1::uuid[])
),
held AS MATERIALIZED (
    SELECT locked.tid
    FROM found
    CROSS JOIN LATERAL (
        SELECT t.ctid AS tid FROM tasks AS t WHERE t.id = found.id OFFSET 0 FOR NO KEY UPDATE OF t SKIP LOCKED) AS locked
),
forgotten AS (
    UPDATE tasks
    SET cancelled_by = NULL, cancelled_turn = NULL
    WHERE ctid = ANY (ARRAY(SELECT held.tid FROM held))
    RETURNING id
)
SELECT (SELECT count(*) FROM found) AS found, (SELECT count(*) FROM forgotten) AS had;
