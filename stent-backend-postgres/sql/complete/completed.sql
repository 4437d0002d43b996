-- $1 to $3: tasks, which are locked, tokens and results; $4: now; $5: whether those with open children end, too; $6: whether those
-- whose result is shared do; $7: whether roots alone. What is returned tells which effects
-- there are besides.
UPDATE tasks AS t
SET state = 'completed',
    output = ($3::bytea[])[ends.place],
    failure = NULL,
    resume = NULL,
    worker = NULL,
    lease_until = NULL,
    place = FALSE,
    ended_at = $4::timestamp
-- Of a series the planner expects many, so that it does not compare each task with each end.
FROM generate_series(1, cardinality($1::uuid[])) AS ends (place)
WHERE t.id = ANY ($1)
    AND t.id = ($1)[ends.place]
    AND CASE
        -- The fence. Within CASE it is nothing that an index could be chosen for.
        WHEN t.state = 'running' AND t.token = ($2::uuid[])[ends.place]
        -- What is below is to be locked before. The order is the index's of open children.
        THEN ($6::boolean OR t.memo_key IS NULL) AND (NOT $7::boolean OR t.parent IS NULL) AND ($5::boolean OR (SELECT o.id FROM tasks AS o WHERE o.parent = t.id AND o.ended_at IS NULL ORDER BY o.made_turn, o.made_number, o.map_index LIMIT 1) IS NULL)
    END
RETURNING
    t.id,
    t.execution,
    t.parent IS NULL AS is_root,
    coalesce((SELECT p.state = 'suspended' FROM tasks AS p WHERE p.id = t.parent), FALSE) AS parent_waits,
    $5 AND (SELECT o.id FROM tasks AS o WHERE o.parent = t.id AND o.ended_at IS NULL ORDER BY o.made_turn, o.made_number, o.map_index LIMIT 1) IS NOT NULL AS has_open,
    t.memo_key IS NOT NULL AS has_memo,
    EXISTS (SELECT 1 FROM limits AS l WHERE l.function = t.function) AS is_limited;
