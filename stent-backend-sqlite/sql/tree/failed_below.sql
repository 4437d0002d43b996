-- ?1: task; ?2: the child of a call, or none; ?3 to ?5: turn, number and function of a map, or none.
SELECT id, resume
FROM tasks
WHERE id = ?2 AND parent = ?1 AND state = 'failed'
UNION
SELECT id, resume
FROM tasks INDEXED BY tasks_failed_items
WHERE parent = ?1
    AND made_turn = ?3
    AND made_number = ?4
    AND made_kind = 'map'
    AND made_generation = (SELECT generation FROM tasks WHERE id = ?1)
    AND function = ?5
    AND state = 'failed';
