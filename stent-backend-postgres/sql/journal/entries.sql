-- $1: task; $2: generation.
SELECT seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload
FROM journal
WHERE task = $1::uuid AND generation = $2::integer
ORDER BY seq;
