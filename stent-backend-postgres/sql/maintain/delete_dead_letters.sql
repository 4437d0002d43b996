-- $1: executions; $2: how many rows at most.
DELETE FROM dead_letters
WHERE task = ANY (ARRAY(SELECT d.task FROM dead_letters AS d WHERE d.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
