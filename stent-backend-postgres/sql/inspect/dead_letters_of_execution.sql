-- $1: the last one of the page before, or NULL; $2: how many at most; $3: function, or NULL; $4: execution.
SELECT task, execution, function, queue, input, retry, attempts, failure, at
FROM dead_letters
WHERE execution = $4::uuid
    AND task > coalesce($1::uuid, '00000000-0000-0000-0000-000000000000')
    AND ($3::text IS NULL OR function = $3)
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting)
ORDER BY task
LIMIT $2::bigint;
