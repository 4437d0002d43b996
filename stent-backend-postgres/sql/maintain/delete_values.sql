-- $1: executions; $2: how many rows at most.
DELETE FROM state_values
WHERE ctid = ANY (ARRAY(SELECT v.ctid FROM state_values AS v WHERE v.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
