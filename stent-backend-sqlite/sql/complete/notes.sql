-- ?1: notes of tasks that have ended, each with its number among its task's; ?2: now.
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, body)
SELECT t.id,
       t.generation,
       coalesce((SELECT max(j.seq) + 1 FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation), 0)
           + (notes.value ->> 'number'),
       t.execution,
       notes.value ->> 'turn',
       ?2,
       t.token,
       'note',
       notes.value ->> 'body'
FROM json_each(?1) AS notes
CROSS JOIN tasks AS t ON t.row = notes.value ->> 'row';
