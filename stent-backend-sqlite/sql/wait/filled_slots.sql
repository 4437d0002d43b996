-- ?1: slots that are waited for.
SELECT asked.key
FROM json_each(?1) AS asked
CROSS JOIN signals AS s ON s.execution = unhex(asked.value ->> 'execution') AND s.name = asked.value ->> 'name';
