-- $1: executions; $2: how many rows at most.
DELETE FROM counters
WHERE ctid = ANY (ARRAY(SELECT c.ctid FROM counters AS c WHERE c.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
