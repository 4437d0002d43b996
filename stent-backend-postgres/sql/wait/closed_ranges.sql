-- $1 to $8: ranges of maps. The open item is looked for first: it answers for nearly all of them. The orders are those of the indexes of open and of failed
-- items; the sum keeps the index of all from being one of them.
SELECT w.place - 1 AS key
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::integer[], $6::integer[], $7::integer[], $8::boolean[])
    WITH ORDINALITY AS w (parent, generation, op_turn, op_name, op_number, first, past, settled, place)
WHERE (SELECT o.id FROM tasks AS o
       WHERE o.parent = w.parent AND o.ended_at IS NULL
         AND o.made_turn = w.op_turn AND o.made_number = w.op_number
         AND o.map_index >= w.first AND o.map_index < w.past
         AND o.function = w.op_name AND o.made_generation + 0 = w.generation
       ORDER BY o.made_turn, o.made_number, o.map_index
       LIMIT 1) IS NULL
      AND w.past - w.first = (
        SELECT count(*) FROM tasks AS i
        WHERE i.parent = w.parent AND i.made_generation = w.generation
          AND i.made_kind = 'map' AND i.made_turn = w.op_turn AND i.made_number = w.op_number
          AND i.map_index >= w.first AND i.map_index < w.past
          AND i.function = w.op_name)
   OR NOT w.settled AND (
       SELECT f.id FROM tasks AS f
       WHERE f.parent = w.parent AND f.made_kind = 'map' AND f.state = 'failed'
         AND f.made_turn = w.op_turn AND f.made_number = w.op_number
         AND f.map_index >= w.first AND f.map_index < w.past
         AND f.function = w.op_name AND f.made_generation + 0 = w.generation
       ORDER BY f.made_turn, f.made_number, f.map_index
       LIMIT 1) IS NOT NULL;
