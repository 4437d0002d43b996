-- ?1: worker; ?2: token. What a claim whose answer was lost has taken.
SELECT id, execution, parent, depth, function, version, input, fingerprint, queue, priority, due, retry, memo_key,
       memo_mode, memo_ttl, attempt, deliveries, generation, journal_from, started_at, failure, trace,
       counted AS counts,
       NOT EXISTS (SELECT 1 FROM journal WHERE journal.task = tasks.id AND journal.generation = tasks.generation)
           AND NOT EXISTS (SELECT 1 FROM tasks AS child
                           WHERE child.parent = tasks.id AND child.made_generation = tasks.generation) AS is_fresh
FROM tasks INDEXED BY tasks_running
WHERE state = 'running' AND worker = ?1 AND token = ?2;
