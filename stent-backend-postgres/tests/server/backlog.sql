-- Of the finished tasks a quarter are roots, with three children each; of the pending ones half are roots, of seven functions, some with a deadline, and half
-- items of maps of a thousand.
CREATE FUNCTION fill(finished integer, pending integer, retry text) RETURNS void LANGUAGE sql AS $$
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, started_at, ended_at, input, output)
SELECT md5('r' || n)::uuid, md5('r' || n)::uuid, 0, 'f' || n % 7, decode(repeat('00', 32), 'hex'), 0, fill.retry, 'completed', TIMESTAMP '2026-01-01',
       TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01' + n * INTERVAL '1 second', '', ''
FROM generate_series(1, finished / 4) AS n;
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, function, fingerprint, priority, retry, state,
                   due, created_at, started_at, ended_at, input, output)
SELECT md5('r' || n || 'c' || c)::uuid, md5('r' || n)::uuid, md5('r' || n)::uuid, 1, 0, c, 'call', 0, 'g' || c, decode(repeat('00', 32), 'hex'), 0,
       fill.retry, 'completed', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', '', ''
FROM generate_series(1, finished / 4) AS n CROSS JOIN generate_series(1, 3) AS c;
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, max_duration, deadline, input)
SELECT md5('p' || n)::uuid, md5('p' || n)::uuid, 0, 'f' || n % 7, decode(repeat('00', 32), 'hex'), n % 5, fill.retry, 'pending',
       TIMESTAMP '2026-01-01' + n * INTERVAL '1 second', TIMESTAMP '2026-01-01',
       CASE WHEN n % 3 = 0 THEN 1000000 END, CASE WHEN n % 3 = 0 THEN TIMESTAMP '2026-02-01' + n * INTERVAL '1 second' END, ''
FROM generate_series(1, pending / 2) AS n;
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, created_at, started_at, input)
SELECT md5('m' || n)::uuid, md5('m' || n)::uuid, 0, 'm', decode(repeat('00', 32), 'hex'), 0, fill.retry, 'suspended', TIMESTAMP '2026-01-01',
       TIMESTAMP '2026-01-01', ''
FROM generate_series(0, pending / 2000) AS n;
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index, function, fingerprint, priority, retry,
                   state, due, created_at, input)
SELECT md5('m' || i / 1000 || 'i' || i % 1000)::uuid, md5('m' || i / 1000)::uuid, md5('m' || i / 1000)::uuid, 1, 0, 1, 'map', 0, i % 1000, 'item',
       decode(repeat('00', 32), 'hex'), 0, fill.retry, 'pending', TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-01', ''
FROM generate_series(0, pending / 2) AS i;
$$;
