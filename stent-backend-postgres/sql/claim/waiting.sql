-- $1, $2: functions with limits and their versions; $3: queues, or NULL for every one; $4: tags, or NULL for all; $5: until when leases have run out, or
-- NULL. Which of them have tasks that may be taken if there is a place: mostly none has, and nobody's lock is asked for.
SELECT asked.number - 1 AS key
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (function, version, number)
CROSS JOIN LATERAL (
    (SELECT t.id
     FROM tasks AS t
     WHERE t.state = 'pending'
         AND t.function = asked.function
         AND t.version = asked.version
         AND (t.queue IS NULL OR $3::text[] IS NULL OR t.queue = ANY ($3))
         AND (t.tags IS NULL OR $4::text[] IS NULL OR t.tags && $4)
     -- In the order of the index: without one, the planner may hope to come upon such a task soon in the table itself.
     ORDER BY t.priority DESC, t.due, t.id
     LIMIT 1)
    UNION ALL
    (SELECT t.id
     FROM tasks AS t
     WHERE t.state = 'running'
         AND t.function = asked.function
         AND t.version = asked.version
         AND t.lease_until <= $5::timestamp
         AND (t.queue IS NULL OR $3 IS NULL OR t.queue = ANY ($3))
         AND (t.tags IS NULL OR $4 IS NULL OR t.tags && $4)
     LIMIT 1)
    LIMIT 1
) AS found
ORDER BY asked.number;
