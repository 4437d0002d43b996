-- ?1: execution; ?2: name; ?3: the send's id; ?4: value; ?5: now. A row if the send is new and the execution open.
BEGIN IMMEDIATE;
INSERT INTO signal_sends (id, execution, overwrote)
SELECT ?3, t.id, EXISTS (SELECT 1 FROM signals AS s WHERE s.execution = t.id AND s.name = ?2)
FROM tasks AS t
WHERE t.id = ?1 AND t.parent IS NULL AND NOT t.deleting AND t.ended_at IS NULL
ON CONFLICT DO NOTHING
RETURNING
    overwrote,
    EXISTS (SELECT 1 FROM waits AS w CROSS JOIN tasks AS waiting ON waiting.id = w.task
            WHERE w.execution = signal_sends.execution AND w.signal = ?2 AND waiting.state = 'suspended') AS is_awaited;
INSERT INTO signals (execution, name, value, sent_at)
-- The statement before has made its row.
SELECT ?1, ?2, ?4, ?5 WHERE changes() = 1
-- The latest value wins.
ON CONFLICT (execution, name) DO UPDATE SET value = excluded.value, sent_at = excluded.sent_at;
UPDATE tasks
SET state = 'pending', due = ?5
WHERE changes() = 1
  AND state = 'suspended'
  AND id IN (SELECT w.task FROM waits AS w WHERE w.execution = ?1 AND w.signal = ?2);
COMMIT;
