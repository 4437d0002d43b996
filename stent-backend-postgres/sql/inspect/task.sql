-- $1: task.
SELECT id, execution, parent, depth, map_index, function, version, queue, tags, priority, state, attempt, deliveries, generation,
       created_at, due, started_at, ended_at, worker, lease_until, failure, reason, length(input) AS input_size,
       coalesce(length(output), 0) AS output_size
FROM tasks
WHERE id = $1::uuid AND execution NOT IN (SELECT id FROM tasks WHERE deleting);
