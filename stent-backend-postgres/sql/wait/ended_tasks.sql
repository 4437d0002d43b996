-- $1: tasks that are waited for.
SELECT asked.number - 1 AS key
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, number)
WHERE (SELECT t.ended_at IS NOT NULL FROM tasks AS t WHERE t.id = asked.id);
