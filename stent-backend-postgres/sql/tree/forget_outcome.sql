-- $1: task; $2 to $6: turn, kind, name, key and number of the operation.
DELETE FROM journal
WHERE task = $1::uuid
    AND generation = (SELECT generation FROM tasks WHERE id = $1)
    AND kind = 'outcome'
    AND op_turn = $2::integer
    AND op_kind = $3::text
    AND op_name = $4::text
    AND op_key = $5::bytea
    AND op_number = $6::integer;
