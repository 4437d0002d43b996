-- $1: functions. Who gives places of one of them holds its row; the places are counted by later statements.
SELECT l.function, l.max_concurrent
FROM limits AS l
WHERE l.function = ANY ($1::text[])
ORDER BY l.function COLLATE "C"
FOR UPDATE OF l;
