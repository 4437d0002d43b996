-- $1: tasks that go on at a point. What is left of the journal keeps a claim from counting the attempt.
UPDATE tasks AS t
SET attempt = t.attempt + 1
WHERE t.id = ANY ($1::uuid[])
    AND (EXISTS (SELECT FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation OFFSET 0)
         OR EXISTS (SELECT FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation OFFSET 0));
