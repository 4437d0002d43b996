-- $1, $2: executions and names of counters, in the order in which every transaction locks them; $3: what they are if they were not there; $4, $5, $6: what
-- is added to those that are, and the bounds within which that ends.
INSERT INTO counters (execution, name, value)
SELECT changed.execution, changed.name, changed.value
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS changed (execution, name, value)
-- A change that two make at once adds to what the other has left, which no earlier statement could have read.
ON CONFLICT (execution, name) DO UPDATE
SET value = (
    SELECT greatest(least(counters.value + changed.by::numeric, changed.high), changed.low)::bigint
    FROM unnest($1, $2, $4::text[], $5::bigint[], $6::bigint[]) AS changed (execution, name, by, low, high)
    WHERE changed.execution = excluded.execution AND changed.name = excluded.name);
