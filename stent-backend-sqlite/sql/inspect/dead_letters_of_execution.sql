-- ?1: the last one of the page before, or what comes before all; ?2: function, or NULL; ?3: how many at most; ?4: execution.
SELECT task, execution, function, queue, input, retry, attempts, failure, at
FROM dead_letters INDEXED BY dead_letters_execution
WHERE execution = ?4
    AND task > ?1
    AND (?2 IS NULL OR function = ?2)
    AND execution NOT IN (SELECT id FROM tasks WHERE deleting = 1)
ORDER BY task
LIMIT ?3 + 0;
