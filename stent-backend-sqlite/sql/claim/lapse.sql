-- ?1: worker; ?2: now.
UPDATE tasks INDEXED BY tasks_running
SET lease_until = min(lease_until, ?2)
WHERE state = 'running' AND worker = ?1;
