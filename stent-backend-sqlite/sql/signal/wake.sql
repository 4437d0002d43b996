-- ?1: execution; ?2: name; ?3: now.
UPDATE tasks
SET state = 'pending', due = ?3
WHERE state = 'suspended'
  AND id IN (SELECT w.task FROM waits AS w WHERE w.execution = ?1 AND w.signal = ?2);
