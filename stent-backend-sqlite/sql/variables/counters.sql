-- ?1: executions and names of counters that change.
SELECT changed.key, c.value
FROM json_each(?1) AS changed
CROSS JOIN counters AS c ON c.execution = unhex(changed.value ->> 'execution') AND c.name = changed.value ->> 'name';
