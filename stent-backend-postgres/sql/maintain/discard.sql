-- $1: dead letter.
DELETE FROM dead_letters AS d
WHERE d.task = $1::uuid
    AND NOT EXISTS (SELECT 1 FROM tasks AS t WHERE t.id = d.execution AND t.deleting OFFSET 0);
