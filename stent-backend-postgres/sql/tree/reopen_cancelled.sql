-- $1: task; $2: the first turn whose cancellations are taken back; $3: now. Answers with how many there are, and how many of them were opened: those that
-- can be locked without waiting. Who cancels holds what it found open, also if that has ended meanwhile, and waits for tasks above it.
WITH found AS MATERIALIZED (
    SELECT t.id
    FROM tasks AS t
    WHERE t.cancelled_by = $1::uuid
        AND t.cancelled_turn >= $2::bigint
        AND t.state = 'cancelled'
),
held AS MATERIALIZED (
    SELECT locked.tid
    FROM found
    CROSS JOIN LATERAL (
        SELECT t.ctid AS tid FROM tasks AS t WHERE t.id = found.id OFFSET 0 FOR NO KEY UPDATE OF t SKIP LOCKED) AS locked
),
opened AS (
    UPDATE tasks
    SET state = 'pending',
        due = $3::timestamp,
        reopened_at = $3::timestamp,
        attempt = 0,
        deliveries = 0,
        counted = FALSE,
        token = NULL,
        claimed_at = NULL,
        ended_at = NULL,
        cancelled_by = NULL,
        cancelled_turn = NULL
    WHERE ctid = ANY (ARRAY(SELECT held.tid FROM held))
    RETURNING id
)
SELECT (SELECT count(*) FROM found) AS found, (SELECT count(*) FROM opened) AS had;
