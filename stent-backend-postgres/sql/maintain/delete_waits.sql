-- $1: tasks; $2: how many rows at most.
DELETE FROM waits
WHERE ctid = ANY (ARRAY(SELECT w.ctid FROM waits AS w WHERE w.task = ANY ($1::uuid[]) LIMIT $2::bigint));
