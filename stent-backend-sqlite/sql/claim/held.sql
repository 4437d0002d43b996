-- ?1: function. Places held, whatever its version.
SELECT count(*) FROM tasks INDEXED BY tasks_places WHERE place = 1 AND function = ?1;
