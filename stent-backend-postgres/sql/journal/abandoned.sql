-- $1 to $6: children and maps that turns abandoned: task, child, or map with its generation. What of them is open.
SELECT gone.number - 1 AS key, top.id
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::integer[]) WITH ORDINALITY
    AS gone (task, child, generation, op_turn, op_name, op_number, number)
CROSS JOIN LATERAL (
    SELECT c.id
    FROM (SELECT t.id, t.parent, t.ended_at FROM tasks AS t WHERE t.id = gone.child OFFSET 0) AS c
    WHERE c.parent = gone.task AND c.ended_at IS NULL
    UNION ALL
    SELECT item.id
    FROM (
        SELECT c.id
        FROM tasks AS c
        WHERE c.parent = gone.task AND c.ended_at IS NULL
            AND c.made_turn = gone.op_turn AND c.made_number = gone.op_number
            AND c.function = gone.op_name AND c.made_kind = 'map' AND c.made_generation + 0 = gone.generation
        -- The order of the index of open children; the sum keeps that of all children from being taken.
        ORDER BY c.made_turn, c.made_number, c.map_index
        OFFSET 0
    ) AS item
) AS top
-- What two of them abandon is put to the account of the first.
ORDER BY gone.number;
