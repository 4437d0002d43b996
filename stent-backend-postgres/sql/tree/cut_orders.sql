-- $1: task; $2: the turn at which its journal is cut.
DELETE FROM journal
WHERE task = $1::uuid
    AND generation = (SELECT generation FROM tasks WHERE id = $1)
    AND kind = 'order'
    AND turn >= $2::integer;
