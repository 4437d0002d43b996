-- $1: dead letter.
SELECT task, execution, function, queue, input, retry, attempts, failure, at
FROM dead_letters
WHERE task = $1::uuid AND execution NOT IN (SELECT id FROM tasks WHERE deleting);
