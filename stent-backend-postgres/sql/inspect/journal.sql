-- $1: task; $2: the last entry of the page before, or -1; $3: how many at most.
SELECT task, seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body,
       CASE WHEN payload IS NOT NULL THEN ''::bytea END AS payload
FROM journal
WHERE task = $1::uuid
    AND generation = (SELECT generation FROM tasks WHERE id = $1 AND execution NOT IN (SELECT id FROM tasks WHERE deleting))
    AND seq > $2::integer
ORDER BY seq
LIMIT $3::bigint;
