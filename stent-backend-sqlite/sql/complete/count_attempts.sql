-- ?1: rows of tasks that go on at a point. What is left of the journal keeps a claim from counting the attempt.
UPDATE tasks
SET attempt = attempt + 1
WHERE row IN (SELECT value FROM json_each(?1))
  AND (EXISTS (SELECT 1 FROM journal AS j WHERE j.task = tasks.id AND j.generation = tasks.generation)
       OR EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = tasks.id AND c.made_generation = tasks.generation));
