-- $1, $2: functions and their places. Rows to lock; those that were not there are returned. In the order in which they are locked.
INSERT INTO limits (function, max_concurrent)
SELECT asked.function, asked.places
FROM unnest($1::text[], $2::bigint[]) AS asked (function, places)
ORDER BY asked.function COLLATE "C"
ON CONFLICT DO NOTHING
RETURNING function;
