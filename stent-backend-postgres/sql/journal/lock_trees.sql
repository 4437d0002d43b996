-- $1, $2: tasks and tokens of all turns of a batch; $3 to $8: children and maps that turns of it abandoned: task, child, or map with its generation. All
-- that is open in the abandoned trees and the tasks themselves, in the order in which every transaction locks them: who cancels a whole
-- execution comes from below, too.
WITH RECURSIVE own (id, depth) AS MATERIALIZED (
    SELECT c.task, t.depth
    FROM unnest($1::uuid[], $2::uuid[]) AS c (task, token)
    CROSS JOIN LATERAL (SELECT t.depth, t.state, t.token FROM tasks AS t WHERE t.id = c.task OFFSET 0) AS t
    WHERE t.state = 'running' AND t.token = c.token
), below (id, depth) AS (
    SELECT top.id, top.depth
    FROM unnest($3::uuid[], $4::uuid[], $5::integer[], $6::integer[], $7::text[], $8::integer[])
        AS gone (task, child, generation, op_turn, op_name, op_number)
    JOIN own ON own.id = gone.task
    CROSS JOIN LATERAL (
        SELECT c.id, c.depth
        FROM (SELECT t.id, t.depth, t.parent, t.ended_at FROM tasks AS t WHERE t.id = gone.child OFFSET 0) AS c
        WHERE c.parent = gone.task AND c.ended_at IS NULL
        UNION ALL
        SELECT item.id, item.depth
        FROM (
            SELECT c.id, c.depth
            FROM tasks AS c
            WHERE c.parent = gone.task AND c.ended_at IS NULL
                AND c.made_turn = gone.op_turn AND c.made_number = gone.op_number
                AND c.function = gone.op_name AND c.made_kind = 'map' AND c.made_generation + 0 = gone.generation
            -- The order of the index of open children; the sum keeps that of all children from being taken.
            ORDER BY c.made_turn, c.made_number, c.map_index
            OFFSET 0
        ) AS item
    ) AS top
    UNION ALL
    SELECT child.id, child.depth
    FROM below
    CROSS JOIN LATERAL (
        SELECT c.id, c.depth
        FROM tasks AS c
        WHERE c.parent = below.id AND c.ended_at IS NULL
        ORDER BY c.made_turn, c.made_number, c.map_index
        OFFSET 0
    ) AS child
)
SELECT count(*)
FROM (
    SELECT id, depth FROM below
    UNION
    SELECT id, depth FROM own
    ORDER BY depth DESC, id
) AS doomed
CROSS JOIN LATERAL (SELECT t.id FROM tasks AS t WHERE t.id = doomed.id FOR NO KEY UPDATE) AS locked;
