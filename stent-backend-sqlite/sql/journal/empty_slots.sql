-- ?1: executions and names of signals that were taken.
DELETE FROM signals
WHERE (execution, name) IN (SELECT unhex(value ->> 'execution'), value ->> 'name' FROM json_each(?1));
