-- $1: execution. Who redrives it, deletes it, or redrives it once more, waits here; what it is, is read by a later statement.
SELECT id FROM tasks WHERE id = $1::uuid AND parent IS NULL FOR NO KEY UPDATE;
