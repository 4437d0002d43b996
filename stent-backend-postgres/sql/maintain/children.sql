-- $1: executions; $2: how many at most. Tasks of them that are deleted in this step, once nothing hangs on them.
SELECT child.id
FROM unnest($1::uuid[]) AS gone (execution)
CROSS JOIN LATERAL (
    SELECT t.id
    FROM tasks AS t
    WHERE t.execution = gone.execution AND t.parent IS NOT NULL
    ORDER BY t.id
    LIMIT $2::bigint
) AS child
LIMIT $2;
