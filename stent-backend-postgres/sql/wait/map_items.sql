-- $1, $2: task and generation; $3 to $5: turn, number and name of the map; $6, $7: the range.
SELECT map_index, fingerprint, id, state, output, failure, ended_at
FROM tasks
WHERE parent = $1::uuid AND made_generation = $2::integer AND made_kind = 'map' AND made_turn = $3::integer AND made_number = $4::integer
  AND map_index >= $6::integer AND map_index < $7::integer
  -- Maps of one turn are numbered among those of their function.
  AND function = $5::text
ORDER BY map_index;
