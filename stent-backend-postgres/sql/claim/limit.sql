-- $1, $2: functions, whose rows are locked, and their places.
UPDATE limits AS l
SET max_concurrent = given.places
FROM unnest($1::text[], $2::bigint[]) AS given (function, places)
WHERE l.function = given.function;
