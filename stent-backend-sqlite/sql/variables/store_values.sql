-- ?1: values, once a name; ?2: their bytes.
INSERT INTO state_values (execution, name, value)
SELECT unhex(changed.value ->> 'execution'),
       changed.value ->> 'name',
       -- No part of an empty blob is NULL.
       coalesce(substr(?2, changed.value ->> 'offset', changed.value ->> 'length'), x'')
FROM json_each(?1) AS changed
-- An initial value never overwrites.
WHERE NOT changed.value ->> 'initial'
   OR NOT EXISTS (SELECT 1 FROM state_values AS v
                  WHERE v.execution = unhex(changed.value ->> 'execution') AND v.name = changed.value ->> 'name')
ON CONFLICT (execution, name) DO UPDATE SET value = excluded.value;
