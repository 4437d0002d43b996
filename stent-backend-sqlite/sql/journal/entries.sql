SELECT seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload
FROM journal
WHERE task = ?1 AND generation = ?2
ORDER BY seq;
