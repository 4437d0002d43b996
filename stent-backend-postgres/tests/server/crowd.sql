-- 4,000 executions that have ended, each with four children; 100 that are under way with a map of 100; queues of pending, scheduled and suspended roots.
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, started_at, ended_at, input)
SELECT md5('r' || n)::uuid, md5('r' || n)::uuid, 0, 'f' || n % 7, decode(repeat('00', 32), 'hex'), 0, '{}', 'completed', now(), now(), now(),
       TIMESTAMP '2026-01-01' + n * INTERVAL '1 minute', ''
FROM generate_series(1, 4000) AS n;
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, function, fingerprint, priority, retry, state,
                   due, created_at, started_at, ended_at, input)
SELECT md5('r' || n || 'c' || c)::uuid, md5('r' || n)::uuid, md5('r' || n)::uuid, 1, 0, c, 'call', 0, 'g' || c, decode(repeat('00', 32), 'hex'), 0,
       '{}', 'completed', now(), now(), now(), now(), ''
FROM generate_series(1, 4000) AS n CROSS JOIN generate_series(1, 4) AS c;
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, token, worker, claimed_at, lease_until, created_at,
                   started_at, input)
SELECT md5('o' || n)::uuid, md5('o' || n)::uuid, 0, 'f' || n % 7, decode(repeat('00', 32), 'hex'), 0, '{}', 'running', now(), md5('t')::uuid,
       md5('w')::uuid, now(), now(), now(), now(), ''
FROM generate_series(1, 100) AS n;
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index, function, fingerprint, priority, retry,
                   state, due, created_at, input)
SELECT md5('o' || n || 'i' || i)::uuid, md5('o' || n)::uuid, md5('o' || n)::uuid, 1, 0, 1, 'map', 0, i, 'item', decode(repeat('00', 32), 'hex'), 0,
       '{}', 'pending', now(), now(), ''
FROM generate_series(1, 100) AS n CROSS JOIN generate_series(1, 100) AS i;
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, max_duration, deadline, input)
SELECT md5(state || n)::uuid, md5(state || n)::uuid, 0, 'f' || n % 7, decode(repeat('00', 32), 'hex'), n % 5, '{}', state, now(), now(),
       1000000, now(), ''
FROM generate_series(1, 1000) AS n CROSS JOIN unnest(ARRAY['pending', 'scheduled', 'suspended']) AS state;
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body)
SELECT md5('r' || n)::uuid, 0, s, md5('r' || n)::uuid, s, now(), md5('t')::uuid, 'outcome', s, 'step', 'step', '', 0, '{}'
FROM generate_series(1, 4000) AS n CROSS JOIN generate_series(0, 9) AS s;
INSERT INTO signals (execution, name, value, sent_at) SELECT md5('o' || n)::uuid, 'a', NULL, now() FROM generate_series(1, 5000) AS n;
INSERT INTO signal_sends (id, execution, overwrote) SELECT md5('s' || n)::uuid, md5('o' || n)::uuid, FALSE FROM generate_series(1, 5000) AS n;
INSERT INTO waits (task, number, execution, signal) SELECT md5('o' || n)::uuid, 0, md5('o' || n)::uuid, 'a' FROM generate_series(1, 5000) AS n;
INSERT INTO memos (key, value, owner, expires_at)
SELECT decode(md5('k' || n) || md5('k' || n), 'hex'), '', CASE WHEN n % 2 = 0 THEN md5('o' || n)::uuid END, CASE WHEN n % 3 = 0 THEN now() END
FROM generate_series(1, 5000) AS n;
INSERT INTO counters (execution, name, value) SELECT md5('r' || n)::uuid, 'a', 1 FROM generate_series(1, 5000) AS n;
INSERT INTO state_values (execution, name, value) SELECT md5('r' || n)::uuid, 'a', '' FROM generate_series(1, 5000) AS n;
INSERT INTO dead_letters (task, execution, function, input, retry, attempts, failure, at)
SELECT md5('r' || n)::uuid, md5('r' || n)::uuid, 'f', '', '{}', 1, '{}', now() FROM generate_series(1, 5000) AS n;
-- Those of the test alone: others are analyzed, or dropped, by tests beside this one.
ANALYZE tasks, journal, signals, signal_sends, waits, memos, counters, state_values, dead_letters;
