-- $1, $2: ids and dedup keys. What stands in the way of executions that were not made.
SELECT same.id IS NOT NULL AS is_made,
       bearer.id AS id,
       bearer.function AS function,
       bearer.fingerprint AS fingerprint
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS item (id, dedup, place)
-- OFFSET 0: each is looked up, whatever the planner thinks of how many there are.
LEFT JOIN LATERAL (SELECT t.id FROM tasks AS t WHERE t.id = item.id OFFSET 0) AS same ON TRUE
LEFT JOIN LATERAL (SELECT t.id, t.function, t.fingerprint FROM tasks AS t WHERE t.dedup = item.dedup OFFSET 0) AS bearer ON TRUE
ORDER BY item.place;
