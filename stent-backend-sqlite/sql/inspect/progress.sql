-- ?1: execution; ?2 to ?4: time, task and number of the last entry of the page before; ?5: how many at most.
SELECT journal.task AS task, seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body, NULL AS payload
FROM journal INDEXED BY journal_progress
CROSS JOIN tasks ON tasks.id = journal.task AND tasks.generation = journal.generation
WHERE journal.execution = ?1
    AND kind IN ('note', 'chunk')
    AND (at, journal.task, seq) > (?2, ?3, ?4)
    AND journal.execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
ORDER BY at, journal.task, seq
LIMIT ?5 + 0;
