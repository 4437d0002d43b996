-- $1: children, whose suspended parents are locked; $2: now. Those of them that this transaction has ended wake their parents.
-- A call's end wakes its parent; a map's item does if the range that is waited for is over. Of two items that end at the same time the later one to get the
-- parent's lock finds the other ended.
UPDATE tasks
SET state = 'pending', due = $2::timestamp
WHERE id = ANY (ARRAY(
    SELECT p.id
    FROM unnest($1::uuid[]) AS ended (task)
    CROSS JOIN LATERAL (
        SELECT t.parent, t.made_generation, t.made_kind, t.made_turn, t.made_number, t.map_index, t.function, t.state
        FROM tasks AS t
        WHERE t.id = ended.task AND t.xmin = pg_current_xact_id()::xid AND t.ended_at IS NOT NULL
        OFFSET 0) AS c
    CROSS JOIN LATERAL (SELECT t.id, t.generation, t.state FROM tasks AS t WHERE t.id = c.parent OFFSET 0) AS p
    WHERE p.state = 'suspended'
        AND p.generation = c.made_generation
        AND (c.made_kind = 'call' OR EXISTS (
            SELECT FROM waits AS w
            WHERE w.task = p.id
                AND w.op_turn = c.made_turn AND w.op_number = c.made_number AND w.op_name = c.function
                AND c.map_index >= w.first AND c.map_index < w.past
                AND (c.state = 'failed' AND NOT w.settled OR (
                    SELECT o.id FROM tasks AS o
                    WHERE o.parent = p.id AND o.ended_at IS NULL
                        AND o.made_turn = w.op_turn AND o.made_number = w.op_number
                        AND o.map_index >= w.first AND o.map_index < w.past
                        AND o.function = w.op_name AND o.made_generation + 0 = p.generation
                    -- The order of the index of open children; the sum keeps that of all children from being taken.
                    ORDER BY o.made_turn, o.made_number, o.map_index
                    LIMIT 1) IS NULL)
            OFFSET 0))));
