-- $1 to $3: functions with limits, whose rows are locked, their versions and their places; $4: queues, or NULL for every one; $5: tags, or NULL for all;
-- $6: until when leases have run out, or NULL; $7: tasks that are passed by; $8: how many at most.
SELECT asked.number - 1 AS key, held.places AS held, best.id, best.priority, best.due, best.place, above.ids AS above,
       above.places AS above_places
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS asked (function, version, places, number)
-- Whatever the version.
CROSS JOIN LATERAL (SELECT count(*) AS places FROM tasks AS t WHERE t.place AND t.function = asked.function) AS held
CROSS JOIN LATERAL (
    -- Those that need a free place.
    (SELECT t.id, t.priority, t.due, FALSE AS place, NULL::uuid AS parent
     FROM tasks AS t
     WHERE t.state = 'pending'
         AND t.function = asked.function
         AND t.version = asked.version
         AND NOT t.place
         AND t.ancestors = 0
         AND (t.queue IS NULL OR $4::text[] IS NULL OR t.queue = ANY ($4))
         AND (t.tags IS NULL OR $5::text[] IS NULL OR t.tags && $5)
         AND t.id <> ALL ($7::uuid[])
     ORDER BY t.priority DESC, t.due, t.id
     LIMIT least(greatest(asked.places - held.places, 0), $8::bigint))
    UNION ALL
    -- Those that hold one already, and those with ancestors of the function.
    SELECT t.id, t.priority, t.due, t.place, CASE WHEN t.ancestors > 0 THEN t.parent END
    FROM tasks AS t
    WHERE t.state = 'pending'
        AND (t.place OR t.ancestors > 0)
        AND t.function = asked.function
        AND t.version = asked.version
        AND (t.queue IS NULL OR $4 IS NULL OR t.queue = ANY ($4))
        AND (t.tags IS NULL OR $5 IS NULL OR t.tags && $5)
        AND t.id <> ALL ($7)
    UNION ALL
    SELECT t.id, t.priority, t.due, t.place, CASE WHEN t.ancestors > 0 THEN t.parent END
    FROM tasks AS t
    WHERE t.state = 'running'
        AND t.lease_until <= $6::timestamp
        AND t.function = asked.function
        AND t.version = asked.version
        AND (t.queue IS NULL OR $4 IS NULL OR t.queue = ANY ($4))
        AND (t.tags IS NULL OR $5 IS NULL OR t.tags && $5)
        AND t.id <> ALL ($7)
) AS best
-- Which ancestors of the function there are, and whether these hold a place.
LEFT JOIN LATERAL (
    WITH RECURSIVE above (id, parent, place, function) AS (
        SELECT NULL::uuid, best.parent, NULL::boolean, NULL::text
        UNION ALL
        SELECT up.id, up.parent, up.place, up.function
        FROM above
        CROSS JOIN LATERAL (SELECT t.id, t.parent, t.place, t.function FROM tasks AS t WHERE t.id = above.parent OFFSET 0) AS up
    )
    SELECT array_agg(above.id) AS ids, array_agg(above.place) AS places FROM above WHERE above.function = asked.function
) AS above ON best.parent IS NOT NULL;
