-- $1: executions that are waited for. One that is gone is over, too.
SELECT asked.number - 1 AS key
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
-- Asked of the row: in the condition it would be something that an index could be chosen for.
WHERE (SELECT t.parent IS NULL AND t.ended_at IS NULL FROM tasks AS t WHERE t.id = asked.id) IS NOT TRUE;
