-- ?1, ?2: task and token; ?3: name; ?4 to ?12: the outcome's place in the journal; ?13: when the wait's time is over, or NULL; ?14: the body of an outcome with a
-- value. A row if there was a value, sent in time.
BEGIN IMMEDIATE;
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
SELECT t.id, ?4, ?5, t.execution, ?6, ?7, t.token, 'outcome', ?8, ?9, ?10, ?11, ?12, ?14, s.value
FROM tasks AS t
CROSS JOIN signals AS s ON s.execution = t.execution AND s.name = ?3
-- The fence.
WHERE t.id = ?1 AND t.state = 'running' AND t.token = ?2
  AND coalesce(s.sent_at <= ?13, TRUE)
ON CONFLICT DO NOTHING
RETURNING payload;
-- The statement before has journaled it.
DELETE FROM signals WHERE changes() = 1 AND name = ?3 AND execution = (SELECT t.execution FROM tasks AS t WHERE t.id = ?1);
COMMIT;
