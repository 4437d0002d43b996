-- $1: tasks that have ended; $2: now. Answers with how many there are, and how many of them were opened: those that can be locked without waiting. Who
-- cancels holds what it found open, also if that has ended meanwhile, and waits for tasks above it.
WITH held AS MATERIALIZED (
    SELECT locked.tid
    FROM unnest($1::uuid[]) AS found (id)
    CROSS JOIN LATERAL (
        SELECT t.ctid AS tid FROM tasks AS t WHERE t.id = found.id OFFSET 0 FOR NO KEY UPDATE OF t SKIP LOCKED) AS locked
),
opened AS (
    UPDATE tasks
    SET state = 'pending',
        due = $2::timestamp,
        reopened_at = $2::timestamp,
        attempt = 0,
        deliveries = 0,
        counted = FALSE,
        token = NULL,
        claimed_at = NULL,
        ended_at = NULL,
        resume = NULL
    WHERE ctid = ANY (ARRAY(SELECT held.tid FROM held))
    RETURNING id
)
SELECT cardinality($1)::bigint AS found, (SELECT count(*) FROM opened) AS had;
