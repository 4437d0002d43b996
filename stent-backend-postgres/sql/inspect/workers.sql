SELECT id, process, state, concurrency, functions, queues, tags, lease, seen_at FROM workers ORDER BY id;
