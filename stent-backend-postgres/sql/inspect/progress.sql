-- $1: execution; $2 to $4: time, task and number of the last entry of the page before, or NULL; $5: how many at most.
SELECT journal.task AS task, seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body, NULL::bytea AS payload
FROM journal
JOIN tasks ON tasks.id = journal.task AND tasks.generation = journal.generation
WHERE journal.execution = $1::uuid
    AND kind IN ('note', 'chunk')
    AND (at, journal.task, seq)
        > (coalesce($2::timestamp, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'), coalesce($4::integer, -1))
    AND journal.execution NOT IN (SELECT id FROM tasks WHERE deleting)
ORDER BY at, journal.task, seq
LIMIT $5::bigint;
