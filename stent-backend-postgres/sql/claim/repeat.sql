-- $1: worker; $2: token. What a claim whose answer was lost has taken.
SELECT t.id, t.execution, t.parent, t.depth, t.function, t.version, t.input, t.fingerprint, t.queue, t.priority, t.due, t.retry,
       t.memo_key, t.memo_mode, t.memo_ttl, t.attempt, t.deliveries, t.generation, t.journal_from, t.started_at, t.failure, t.trace,
       NOT EXISTS (SELECT 1 FROM journal AS j WHERE j.task = t.id AND j.generation = t.generation OFFSET 0)
           AND NOT EXISTS (SELECT 1 FROM tasks AS c WHERE c.parent = t.id AND c.made_generation = t.generation OFFSET 0) AS is_fresh,
       t.counted AS counts
FROM tasks AS t
WHERE t.state = 'running' AND t.worker = $1::uuid AND t.token = $2::uuid;
