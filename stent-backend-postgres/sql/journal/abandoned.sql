-- $1 to $6: children and maps that turns abandoned: task, child, or map with its generation. What of them is open.
SELECT gone.number - 1 AS key, top.id
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::integer[]) WITH ORDINALITY
    AS gone (task, child, generation, op_turn, op_name, op_number, number)
CROSS JOIN LATERAL (
    SELECT c.id
    FROM (SELECT t.id, t.parent, t.ended_at FROM tasks AS t WHERE t.id = gone.child OFFSET 0) AS c
    WHERE c.parent = gone.task AND c.ended_at IS NULL
    UNION ALL
    SELECT c.id
    FROM tasks AS c
    WHERE c.parent = gone.task AND c.ended_at IS NULL
        AND c.made_turn = gone.op_turn AND c.made_number = gone.op_number
        AND c.function = gone.op_name AND c.made_kind = 'map' AND c.made_generation = gone.generation
) AS top
-- What two of them abandon is put to the account of the first.
ORDER BY gone.number;
