-- $1: tasks. An empty journal is as good as a new one.
UPDATE tasks AS t
SET generation = t.generation + 1
WHERE t.id = ANY ($1::uuid[])
    AND (EXISTS (SELECT 1 FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation)
         OR EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation));
