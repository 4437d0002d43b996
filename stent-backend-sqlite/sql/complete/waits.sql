-- ?1: waits of tasks that have just been suspended.
INSERT INTO waits (task, number, execution, signal, op_turn, op_name, op_number, first, past, settled)
SELECT t.id,
       w.value ->> 'number',
       t.execution,
       w.value ->> 'signal',
       w.value ->> 'op_turn',
       w.value ->> 'op_name',
       w.value ->> 'op_number',
       w.value ->> 'first',
       w.value ->> 'past',
       w.value ->> 'settled'
FROM json_each(?1) AS w
CROSS JOIN tasks AS t ON t.id = unhex(w.value ->> 'task');
