-- $1: now; $2 to $5: notes of tasks that have ended: task, number among its task's, turn and text.
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, body)
SELECT n.task,
       t.generation,
       coalesce((SELECT max(j.seq) + 1 FROM journal AS j WHERE j.task = n.task AND j.generation = t.generation), 0) + n.number,
       t.execution,
       n.turn,
       $1::timestamp,
       t.token,
       'note',
       n.body
FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::text[]) AS n (task, number, turn, body)
CROSS JOIN LATERAL (SELECT c.generation, c.execution, c.token FROM tasks AS c WHERE c.id = n.task OFFSET 0) AS t;
