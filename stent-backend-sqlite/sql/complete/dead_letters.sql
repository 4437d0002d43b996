-- ?1: rows of tasks that failed as root causes.
INSERT INTO dead_letters (task, execution, function, queue, input, retry, attempts, failure, at)
SELECT t.id, t.execution, t.function, t.queue, t.input, t.retry, t.attempt, t.failure, t.ended_at
FROM json_each(?1) AS failed
CROSS JOIN tasks AS t ON t.row = failed.value
WHERE TRUE
ON CONFLICT (task) DO UPDATE
SET retry = excluded.retry, attempts = excluded.attempts, failure = excluded.failure, at = excluded.at;
