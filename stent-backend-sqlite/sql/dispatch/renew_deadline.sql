-- ?1: root; ?2: now; ?3: the last time there is. The budget begins anew.
UPDATE tasks SET deadline = min(?2 + max_duration, ?3) WHERE id = ?1;
