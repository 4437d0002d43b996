-- $1, $2: executions and names of values, in the order in which every transaction locks them; $3: the values; $4: whether they are initial.
INSERT INTO state_values (execution, name, value)
SELECT changed.execution, changed.name, changed.value
FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS changed (execution, name, value)
-- An initial value never overwrites.
ON CONFLICT (execution, name) DO UPDATE SET value = excluded.value
WHERE NOT (
    SELECT changed.initial
    FROM unnest($1, $2, $4::boolean[]) AS changed (execution, name, initial)
    WHERE changed.execution = excluded.execution AND changed.name = excluded.name);
