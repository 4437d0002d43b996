SELECT map_index, fingerprint, id, state, output, failure, ended_at
FROM tasks
WHERE parent = ?1 AND made_generation = ?2 AND made_kind = 'map' AND made_turn = ?3 AND made_number = ?4
  AND map_index >= ?5 AND map_index < ?6
  -- Maps of one turn are numbered among those of their function.
  AND function = ?7
ORDER BY map_index;
