-- $1: executions; $2: how many rows at most.
DELETE FROM signal_sends
WHERE id = ANY (ARRAY(SELECT s.id FROM signal_sends AS s WHERE s.execution = ANY ($1::uuid[]) LIMIT $2::bigint));
