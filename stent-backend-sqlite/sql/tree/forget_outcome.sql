-- ?1: task; ?2 to ?6: turn, kind, name, key and number of the operation.
DELETE FROM journal
WHERE task = ?1
    AND generation = (SELECT generation FROM tasks WHERE id = ?1)
    AND kind = 'outcome'
    AND op_turn = ?2
    AND op_kind = ?3
    AND op_name = ?4
    AND op_key = ?5
    AND op_number = ?6;
