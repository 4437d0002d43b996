-- $1: execution; $2: name, whose slot is locked; $3: the send's id.
SELECT t.id,
       t.state,
       t.started_at,
       (SELECT sends.overwrote FROM signal_sends AS sends WHERE sends.id = $3::uuid) AS sent,
       coalesce((SELECT s.value IS NOT NULL FROM signals AS s WHERE s.execution = $1 AND s.name = $2::text), FALSE) AS overwrites,
       EXISTS (SELECT FROM waits AS w
               CROSS JOIN LATERAL (SELECT c.state FROM tasks AS c WHERE c.id = w.task OFFSET 0) AS waiting
               WHERE w.execution = $1 AND w.signal = $2 AND waiting.state = 'suspended') AS is_awaited
FROM tasks AS t
WHERE t.id = $1::uuid AND t.parent IS NULL AND NOT t.deleting;
