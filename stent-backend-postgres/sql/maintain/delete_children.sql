-- $1: tasks on which nothing hangs; $2: how many at most.
DELETE FROM tasks
WHERE id = ANY (ARRAY(SELECT given.id FROM unnest($1::uuid[]) AS given (id) LIMIT $2::bigint));
