-- ?1: rows of children that have ended; ?2: now.
-- A call's end wakes its parent; a map's item does if the range that is waited for is over.
UPDATE tasks
SET state = 'pending', due = ?2
WHERE state = 'suspended'
  AND row IN (
    SELECT p.row
    FROM json_each(?1) AS ended
    CROSS JOIN tasks AS c ON c.row = ended.value
    CROSS JOIN tasks AS p ON p.id = c.parent AND p.generation = c.made_generation
    WHERE c.made_kind = 'call'
       OR EXISTS (
        SELECT 1
        FROM waits AS w
        WHERE w.task = p.id
          AND w.op_turn = c.made_turn AND w.op_number = c.made_number AND w.op_name = c.function
          AND c.map_index >= w.first AND c.map_index < w.past
          AND (c.state = 'failed' AND NOT w.settled
               OR NOT EXISTS (
                SELECT 1 FROM tasks AS o INDEXED BY tasks_open_children
                WHERE o.parent = p.id AND o.ended_at IS NULL
                  AND o.made_turn = w.op_turn AND o.made_number = w.op_number
                  AND o.map_index >= w.first AND o.map_index < w.past
                  AND o.function = w.op_name AND o.made_generation = p.generation))));
