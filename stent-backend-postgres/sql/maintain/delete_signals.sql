-- $1: executions; $2: how many rows at most.
DELETE FROM signals
WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM signals AS s WHERE s.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
