-- $1: root; $2: now; $3: the last time there is. The budget begins anew.
UPDATE tasks
SET deadline = least($2::timestamp + max_duration * INTERVAL '1 microsecond', $3::timestamp)
WHERE id = $1::uuid AND max_duration IS NOT NULL;
