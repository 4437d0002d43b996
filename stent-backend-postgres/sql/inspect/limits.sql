SELECT function,
       max_concurrent,
       (SELECT count(*) FROM tasks WHERE place AND tasks.function = limits.function) AS held
FROM limits
-- By bytes, whatever the database's language.
ORDER BY function COLLATE "C";
