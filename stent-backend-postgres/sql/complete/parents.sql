-- $1: tasks that end. Their parents: whoever suspends one meanwhile waits for this transaction and finds what has ended, or this one waits and finds
-- it suspended. Claims, renewals and other ends pass this lock by.
SELECT p.id
FROM tasks AS p
WHERE p.id = ANY (
    -- Of an expression that is asked once: the items of a map have one parent, and the next statement needs it too.
    (SELECT set_config('stent.parents', coalesce((SELECT array_agg(DISTINCT c.parent) FROM tasks AS c WHERE c.id = ANY ($1::uuid[]) AND c.parent IS NOT NULL)::text, '{}'), TRUE))::uuid[])
ORDER BY p.depth DESC, p.id
FOR KEY SHARE OF p;
