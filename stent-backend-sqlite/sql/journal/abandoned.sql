-- ?1: children and maps that turns abandoned. What of them is open.
SELECT gone.key, c.id
FROM json_each(?1) AS gone
CROSS JOIN tasks AS c INDEXED BY tasks_open_children
WHERE c.parent = unhex(gone.value ->> 'task')
  AND c.ended_at IS NULL
  AND c.made_turn = gone.value ->> 'op_turn'
  AND c.made_number = gone.value ->> 'op_number'
  AND c.function = gone.value ->> 'op_name'
  AND c.made_kind = 'map'
  AND c.made_generation = gone.value ->> 'generation'
UNION ALL
SELECT gone.key, c.id
FROM json_each(?1) AS gone
CROSS JOIN tasks AS c ON c.id = unhex(gone.value ->> 'child')
WHERE c.parent = unhex(gone.value ->> 'task')
  AND c.ended_at IS NULL
-- What two of them abandon is put to the account of the first.
ORDER BY key;
