-- $1: executions of which nothing else is left; $2: how many rows at most.
DELETE FROM tasks
WHERE id = ANY (ARRAY(SELECT gone.execution FROM unnest($1::uuid[]) AS gone (execution) LIMIT $2::bigint))
    AND parent IS NULL
    AND deleting;
