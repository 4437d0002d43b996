-- $1: tasks; $2: whether each is cancelled itself, or only what is below it. What is open in their trees by now, and how much of that could be locked
-- without waiting: who holds a parent and waits for a child may wait for who holds the child and waits for the parent.
WITH RECURSIVE below (id, is_doomed) AS (
    SELECT top.id, given.include AND top.ended_at IS NULL
    FROM unnest($1::uuid[], $2::boolean[]) AS given (task, include)
    CROSS JOIN LATERAL (SELECT t.id, t.ended_at FROM tasks AS t WHERE t.id = given.task OFFSET 0) AS top
    UNION ALL
    SELECT child.id, TRUE
    FROM below
    CROSS JOIN LATERAL (
        SELECT c.id
        FROM tasks AS c
        WHERE c.parent = below.id AND c.ended_at IS NULL
        -- The order of the index of open children: also while there are no statistics, that of all children is not taken.
        ORDER BY c.made_turn, c.made_number, c.map_index
        OFFSET 0
    ) AS child
)
SELECT count(*) AS found, count(held.id) AS had
FROM (SELECT DISTINCT below.id FROM below WHERE below.is_doomed) AS doomed
LEFT JOIN LATERAL (
    SELECT t.id
    FROM tasks AS t
    WHERE t.id = doomed.id AND t.ended_at IS NULL
    FOR NO KEY UPDATE OF t SKIP LOCKED
) AS held ON TRUE;
