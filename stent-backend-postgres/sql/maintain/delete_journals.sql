-- $1: executions; $2: how many rows at most.
DELETE FROM journal
WHERE ctid = ANY (ARRAY(SELECT j.ctid FROM journal AS j WHERE j.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
