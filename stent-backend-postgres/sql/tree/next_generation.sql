-- $1: tasks. An empty journal is as good as a new one.
UPDATE tasks AS t
SET generation = t.generation + 1
WHERE t.id = ANY ($1::uuid[])
    -- OFFSET 0: each is looked up, and no table of all is made.
    AND (EXISTS (SELECT 1 FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation OFFSET 0)
         OR EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation OFFSET 0));
