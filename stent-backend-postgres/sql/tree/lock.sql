-- $1: tasks; $2: whether each is cancelled itself, or only what is below it. Locks all that is open in their trees, in the order in which every
-- transaction locks tasks, and waits for whoever holds some of it.
-- Open tasks hang together under open parents, so following open children finds all of them. All are looked up one by one, whatever the planner thinks
-- of how many there are.
WITH RECURSIVE below (id, depth, is_doomed) AS (
    SELECT top.id, top.depth, given.include
    FROM unnest($1::uuid[], $2::boolean[]) AS given (task, include)
    CROSS JOIN LATERAL (SELECT t.id, t.depth FROM tasks AS t WHERE t.id = given.task OFFSET 0) AS top
    UNION ALL
    SELECT child.id, child.depth, TRUE
    FROM below
    CROSS JOIN LATERAL (
        SELECT c.id, c.depth
        FROM tasks AS c
        WHERE c.parent = below.id AND c.ended_at IS NULL
        -- The order of the index of open children: also while there are no statistics, that of all children is not taken.
        ORDER BY c.made_turn, c.made_number, c.map_index
        OFFSET 0
    ) AS child
)
SELECT count(*)
FROM (
    SELECT DISTINCT below.depth, below.id
    FROM below
    WHERE below.is_doomed
    ORDER BY below.depth DESC, below.id
) AS doomed
CROSS JOIN LATERAL (SELECT t.id FROM tasks AS t WHERE t.id = doomed.id AND t.ended_at IS NULL FOR NO KEY UPDATE OF t) AS held;
