-- $1: tasks, of which those count that have just been suspended; $2 to $4: tasks that wait for slots, numbers of the waits and names; $5 to $12: tasks that
-- wait for ranges of maps, numbers of the waits and ranges.
INSERT INTO waits (task, number, execution, signal, op_turn, op_name, op_number, first, past, settled)
SELECT w.task, w.number, own.execution, w.signal, w.op_turn, w.op_name, w.op_number, w.first, w.past, w.settled
FROM (
    SELECT task, number, name AS signal, NULL::integer AS op_turn, NULL::text AS op_name, NULL::integer AS op_number,
           NULL::integer AS first, NULL::integer AS past, NULL::boolean AS settled
    FROM unnest($2::uuid[], $3::integer[], $4::text[]) AS slots (task, number, name)
    UNION ALL
    SELECT task, number, NULL, op_turn, op_name, op_number, first, past, settled
    FROM unnest($5::uuid[], $6::integer[], $7::integer[], $8::text[], $9::integer[], $10::integer[], $11::integer[], $12::boolean[])
        AS ranges (task, number, op_turn, op_name, op_number, first, past, settled)
) AS w
CROSS JOIN LATERAL (SELECT t.execution, t.state FROM tasks AS t WHERE t.id = w.task OFFSET 0) AS own
WHERE w.task = ANY ($1::uuid[]) AND own.state = 'suspended';
