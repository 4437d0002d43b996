-- $1: tasks that failed as root causes.
INSERT INTO dead_letters (task, execution, function, queue, input, retry, attempts, failure, at)
SELECT t.id, t.execution, t.function, t.queue, t.input, t.retry, t.attempt, t.failure, t.ended_at
FROM unnest($1::uuid[]) AS failed (task)
CROSS JOIN LATERAL (SELECT c.* FROM tasks AS c WHERE c.id = failed.task OFFSET 0) AS t
ON CONFLICT (task) DO UPDATE
SET retry = excluded.retry, attempts = excluded.attempts, failure = excluded.failure, at = excluded.at;
