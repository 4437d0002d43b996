-- ?1: execution; ?2: name; ?3: the send's id.
SELECT t.id,
       t.state,
       t.started_at,
       (SELECT sends.overwrote FROM signal_sends AS sends WHERE sends.id = ?3) AS sent,
       EXISTS (SELECT 1 FROM signals AS s WHERE s.execution = t.id AND s.name = ?2) AS overwrites,
       EXISTS (SELECT 1 FROM waits AS w CROSS JOIN tasks AS waiting ON waiting.id = w.task
               WHERE w.execution = t.id AND w.signal = ?2 AND waiting.state = 'suspended') AS is_awaited
FROM tasks AS t
WHERE t.id = ?1 AND t.parent IS NULL AND NOT t.deleting;
