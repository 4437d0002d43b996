-- $1 to $9: a worker's record.
INSERT INTO workers (id, process, state, concurrency, functions, queues, tags, lease, seen_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (id) DO UPDATE
SET process = excluded.process,
    state = excluded.state,
    concurrency = excluded.concurrency,
    functions = excluded.functions,
    queues = excluded.queues,
    tags = excluded.tags,
    lease = excluded.lease,
    seen_at = excluded.seen_at;
