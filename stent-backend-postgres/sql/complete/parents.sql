-- $1: tasks that end. Their parents: whoever suspends one meanwhile waits for this transaction and finds what has ended, or this one waits and finds
-- it suspended. Claims, renewals and other ends pass this lock by.
SELECT p.id
FROM tasks AS p
WHERE p.id = ANY (ARRAY(SELECT c.parent FROM tasks AS c WHERE c.id = ANY ($1::uuid[])))
ORDER BY p.depth DESC, p.id
FOR KEY SHARE OF p;
