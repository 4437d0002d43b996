-- ?1: ranges of maps. The open item is looked for first: it answers for nearly all of them.
SELECT w.key
FROM json_each(?1) AS w
WHERE NOT EXISTS (
        SELECT 1 FROM tasks AS o INDEXED BY tasks_open_children
        WHERE o.parent = unhex(w.value ->> 'parent') AND o.ended_at IS NULL
          AND o.made_turn = w.value ->> 'op_turn' AND o.made_number = w.value ->> 'op_number'
          AND o.map_index >= w.value ->> 'first' AND o.map_index < w.value ->> 'past'
          AND o.function = w.value ->> 'op_name' AND o.made_generation = w.value ->> 'generation')
      AND (w.value ->> 'past') - (w.value ->> 'first') = (
        SELECT count(*) FROM tasks AS i
        WHERE i.parent = unhex(w.value ->> 'parent') AND i.made_generation = w.value ->> 'generation'
          AND i.made_kind = 'map' AND i.made_turn = w.value ->> 'op_turn' AND i.made_number = w.value ->> 'op_number'
          AND i.map_index >= w.value ->> 'first' AND i.map_index < w.value ->> 'past'
          AND i.function = w.value ->> 'op_name')
   OR NOT w.value ->> 'settled' AND EXISTS (
        SELECT 1 FROM tasks AS f INDEXED BY tasks_failed_items
        WHERE f.parent = unhex(w.value ->> 'parent') AND f.made_kind = 'map' AND f.state = 'failed'
          AND f.made_turn = w.value ->> 'op_turn' AND f.made_number = w.value ->> 'op_number'
          AND f.map_index >= w.value ->> 'first' AND f.map_index < w.value ->> 'past'
          AND f.function = w.value ->> 'op_name' AND f.made_generation = w.value ->> 'generation');
