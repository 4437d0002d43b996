-- $1, $2: functions and their versions; $3: queues, or NULL for every one; $4: tags, or NULL for all; $5: until when leases have run out, or NULL;
-- $6: now; $7: worker; $8: token. Whether a claim would have anything to do, and what one answers that finds nothing: idle workers ask this alone.
SELECT next.due,
       next.deadline,
       coalesce(next.due <= $6::timestamp, FALSE)
           OR EXISTS (
               SELECT 1
               FROM unnest($1::text[], $2::text[]) AS asked (function, version)
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
               ) AS found)
           -- Taken by an earlier call with the same token.
           OR EXISTS (
               SELECT 1
               FROM tasks AS t
               WHERE t.state = 'running' AND t.worker = $7::uuid AND t.token = $8::uuid) AS has_any
FROM (SELECT (SELECT t.due
              FROM tasks AS t
              WHERE t.state IN ('scheduled', 'suspended') AND t.due IS NOT NULL
              ORDER BY t.due, t.id
              LIMIT 1) AS due,
             (SELECT t.deadline
              FROM tasks AS t
              WHERE t.deadline IS NOT NULL AND t.ended_at IS NULL
              ORDER BY t.deadline, t.id
              LIMIT 1) AS deadline) AS next;
