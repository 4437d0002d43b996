-- ?1: tasks. An empty journal is as good as a new one.
UPDATE tasks
SET generation = generation + 1
WHERE id IN (SELECT unhex(value) FROM json_each(?1))
    AND (EXISTS (SELECT 1 FROM journal WHERE journal.task = tasks.id AND journal.generation = tasks.generation)
         OR EXISTS (SELECT 1 FROM tasks AS child
                    WHERE child.parent = tasks.id AND child.made_generation = tasks.generation));
