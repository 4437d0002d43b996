-- $1 to $5: tasks, which are locked, tokens, times, failures, and whether they begin anew; $6: now; $7: whether those that begin anew with open children
-- do so, too.
UPDATE tasks AS t
SET state = CASE WHEN ($3::timestamp[])[ends.place] > $6::timestamp THEN 'scheduled' ELSE 'pending' END,
    due = ($3)[ends.place],
    failure = ($4::text[])[ends.place],
    resume = NULL,
    worker = NULL,
    lease_until = NULL,
    place = FALSE
-- Of a series the planner expects many, so that it does not compare each task with each end.
FROM generate_series(1, cardinality($1::uuid[])) AS ends (place)
WHERE t.id = ANY ($1)
    AND t.id = ($1)[ends.place]
    AND CASE
        -- The fence. Within CASE it is nothing that an index could be chosen for.
        WHEN t.state = 'running' AND t.token = ($2::uuid[])[ends.place]
        -- What is below is to be locked before. The order is the index's of open children.
        THEN $7::boolean OR NOT ($5::boolean[])[ends.place] OR (SELECT o.id FROM tasks AS o WHERE o.parent = t.id AND o.ended_at IS NULL ORDER BY o.made_turn, o.made_number, o.map_index LIMIT 1) IS NULL
    END
RETURNING
    t.id,
    t.execution,
    FALSE AS is_root,
    FALSE AS parent_waits,
    $7 AND (SELECT o.id FROM tasks AS o WHERE o.parent = t.id AND o.ended_at IS NULL ORDER BY o.made_turn, o.made_number, o.map_index LIMIT 1) IS NOT NULL AS has_open,
    FALSE AS has_memo,
    FALSE AS is_limited;
