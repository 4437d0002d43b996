SELECT function,
       max_concurrent,
       (SELECT count(*)
        FROM tasks INDEXED BY tasks_places
        WHERE place = 1 AND tasks.function = limits.function) AS held
FROM limits
ORDER BY function;
