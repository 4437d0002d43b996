SELECT id, made_turn, made_kind, made_number, function, fingerprint, input, state, output, failure, ended_at,
       coalesce(reopened_at, created_at) AS since
FROM tasks
WHERE parent = ?1 AND made_generation = ?2 AND made_kind = 'call'
ORDER BY made_turn, made_number, row;
