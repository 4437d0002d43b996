-- $1: the last one of the page before, or NULL; $2: how many at most; $3: function, or NULL; $4: NULL.
SELECT task, execution, function, queue, input, retry, attempts, failure, at
FROM dead_letters
-- One comparison, so that the index begins there.
WHERE task > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
    -- Of CASE the planner expects no more than that it lets half of them through.
    AND CASE WHEN $3::text IS NULL THEN TRUE ELSE function = $3 END
    -- Those of one execution have a statement of their own.
    AND $4::uuid IS NULL
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
ORDER BY task
LIMIT $2::bigint;
