-- $1 to $4: tasks, whether each is cancelled itself, on whose account, in which turn; $5: now. Answers with how many are open in their trees, and how
-- many of them were cancelled: those that are locked already, and those made since that can be locked without waiting.
WITH RECURSIVE below (id, is_doomed, account, turn, place) AS (
    SELECT top.id, given.include AND top.ended_at IS NULL, given.account, given.turn, given.place
    FROM unnest($1::uuid[], $2::boolean[], $3::uuid[], $4::bigint[]) WITH ORDINALITY AS given (task, include, account, turn, place)
    CROSS JOIN LATERAL (SELECT t.id, t.ended_at FROM tasks AS t WHERE t.id = given.task OFFSET 0) AS top
    UNION ALL
    SELECT child.id, TRUE, below.account, below.turn, below.place
    FROM below
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM tasks AS c
        WHERE c.parent = below.id AND c.ended_at IS NULL
        -- The order of the index of open children: also while there are no statistics, that of all children is not taken.
        ORDER BY c.made_turn, c.made_number, c.map_index
        OFFSET 0
    ) AS child
),
-- Who is in several trees is put to the account of the first.
doomed AS MATERIALIZED (
    SELECT DISTINCT ON (below.id) below.id, below.account, below.turn
    FROM below
    WHERE below.is_doomed
    ORDER BY below.id, below.place
),
held AS MATERIALIZED (
    SELECT locked.tid
    FROM doomed
    CROSS JOIN LATERAL (
        SELECT t.ctid AS tid
        FROM tasks AS t
        WHERE t.id = doomed.id AND t.ended_at IS NULL
        FOR NO KEY UPDATE OF t SKIP LOCKED
    ) AS locked
),
cancelled AS (
    UPDATE tasks AS t
    SET state = 'cancelled',
        ended_at = $5::timestamp,
        place = FALSE,
        worker = NULL,
        lease_until = NULL,
        cancelled_by = doomed.account,
        cancelled_turn = doomed.turn
    FROM doomed
    -- Nobody moves a row that is locked. One that was moved between this statement's begin and its lock is not found, and missed in the count.
    WHERE t.ctid = ANY (ARRAY(SELECT held.tid FROM held))
        AND t.id = doomed.id
    RETURNING t.id
)
SELECT (SELECT count(*) FROM doomed) AS found,
       (SELECT count(*) FROM cancelled) AS had;
