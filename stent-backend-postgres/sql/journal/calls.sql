-- $1: task; $2: generation.
SELECT id, made_turn, made_kind, made_number, function, fingerprint, input, state, output, failure, ended_at,
       coalesce(reopened_at, created_at) AS since
FROM tasks
WHERE parent = $1::uuid AND made_generation = $2::integer AND made_kind = 'call'
ORDER BY made_turn, made_number, id;
