-- $1, $2: slots that are waited for. One without a value is only waited for.
SELECT asked.number - 1 AS key
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS asked (execution, name, number)
WHERE (SELECT s.value IS NOT NULL FROM signals AS s WHERE s.execution = asked.execution AND s.name = asked.name);
