-- $1 to $9: a worker's record. The commit is answered before it is on disk, as those of renewals are: what a crash of the server forgets of them, the next
-- renewal says again.
WITH relaxed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', 'off', true)
)
INSERT INTO workers (id, process, state, concurrency, functions, queues, tags, lease, seen_at)
SELECT $1::uuid, $2::text, $3::text, $4::bigint, $5::text, $6::text, $7::text, $8::bigint, $9::timestamp
FROM relaxed
ON CONFLICT (id) DO UPDATE
SET process = excluded.process,
    state = excluded.state,
    concurrency = excluded.concurrency,
    functions = excluded.functions,
    queues = excluded.queues,
    tags = excluded.tags,
    lease = excluded.lease,
    seen_at = excluded.seen_at;
