-- $1: how many at most. Those that another step is deleting are passed by: whoever holds the root deletes what hangs on it.
SELECT t.id
FROM tasks AS t
WHERE t.deleting
ORDER BY t.id
LIMIT $1::bigint
FOR UPDATE OF t SKIP LOCKED;
