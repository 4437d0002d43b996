-- $1: a task that is claimed. Writes what is there, so that the commit waits for the disk, and with it for the commits before it that did not.
UPDATE tasks SET claimed_at = claimed_at WHERE id = $1::uuid;
