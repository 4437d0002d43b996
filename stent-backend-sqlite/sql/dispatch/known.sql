-- ?1: [[id, dedup key], …]. What stands in the way of executions that were not made.
SELECT item.key AS item,
       same.id IS NOT NULL AS is_made,
       bearer.id AS id,
       bearer.function AS function,
       bearer.fingerprint AS fingerprint
FROM json_each(?1) AS item
LEFT JOIN tasks AS same ON same.id = unhex(item.value ->> 0)
LEFT JOIN tasks AS bearer ON bearer.dedup = item.value ->> 1
ORDER BY item.key;
