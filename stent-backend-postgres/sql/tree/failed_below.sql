-- $1: task; $2: the child of a call, or none; $3 to $5: turn, number and function of a map, or none.
SELECT id, resume
FROM tasks
WHERE id = $2::uuid AND parent IS NOT DISTINCT FROM $1::uuid AND state = 'failed'
UNION
SELECT id, resume
FROM tasks
WHERE parent = $1
    AND made_turn = $3::integer
    AND made_number = $4::integer
    AND made_kind = 'map'
    AND made_generation = (SELECT generation FROM tasks WHERE id = $1)
    AND function = $5::text
    AND state = 'failed';
