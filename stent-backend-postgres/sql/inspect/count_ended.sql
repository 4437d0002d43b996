-- $1, $2: from when, and before when.
SELECT function, state, count(*) AS tasks
FROM tasks
WHERE parent IS NULL AND NOT deleting AND ended_at IS NOT NULL AND ended_at >= $1::timestamp AND ended_at < $2::timestamp
GROUP BY function, state;
