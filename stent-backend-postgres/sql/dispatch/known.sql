-- $1, $2: ids and dedup keys. What stands in the way of executions that were not made.
SELECT same.id IS NOT NULL AS is_made,
       bearer.id AS id,
       bearer.function AS function,
       bearer.fingerprint AS fingerprint
FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS item (id, dedup, place)
LEFT JOIN tasks AS same ON same.id = item.id
LEFT JOIN tasks AS bearer ON bearer.dedup = item.dedup
ORDER BY item.place;
