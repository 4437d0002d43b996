-- ?1: counters as they are now.
INSERT INTO counters (execution, name, value)
SELECT unhex(changed.value ->> 'execution'), changed.value ->> 'name', changed.value ->> 'value'
FROM json_each(?1) AS changed
WHERE TRUE
ON CONFLICT (execution, name) DO UPDATE SET value = excluded.value;
