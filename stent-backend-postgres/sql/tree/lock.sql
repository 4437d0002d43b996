-- $1: tasks; $2: whether each is cancelled itself, or only what is below it. Locks all that is open in their trees, in the order in which every
-- transaction locks tasks, and waits for whoever holds some of it.
-- Open tasks hang together under open parents, so following open children finds all of them. OFFSET 0 keeps the planner from a join that reads the
-- open tasks of others, the array from one that reads all tasks.
WITH RECURSIVE below (id, is_doomed) AS (
    SELECT given.task, given.include
    FROM unnest($1::uuid[], $2::boolean[]) AS given (task, include)
    UNION ALL
    SELECT child.id, TRUE
    FROM below
    CROSS JOIN LATERAL (SELECT c.id FROM tasks AS c WHERE c.parent = below.id AND c.ended_at IS NULL OFFSET 0) AS child
)
SELECT count(*)
FROM (
    SELECT t.id
    FROM tasks AS t
    WHERE t.id = ANY (ARRAY(SELECT below.id FROM below WHERE below.is_doomed))
        AND t.ended_at IS NULL
    ORDER BY t.depth DESC, t.id
    FOR NO KEY UPDATE OF t
) AS held;
