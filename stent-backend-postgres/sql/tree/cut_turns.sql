-- $1: task; $2: the turn at which its journal is cut. What was recorded after that turn or later ones waits to be given again, after the turn before.
UPDATE journal
SET turn = greatest($2::integer - 1, 0)
WHERE task = $1::uuid
    AND generation = (SELECT generation FROM tasks WHERE id = $1)
    AND kind <> 'made'
    AND turn >= $2;
