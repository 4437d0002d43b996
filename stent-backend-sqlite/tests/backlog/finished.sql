-- ?1: how many. A quarter are roots, of seven functions, the others their children.
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1)
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, function, fingerprint, priority, retry, state,
                   due, created_at, started_at, ended_at, input, output)
SELECT unhex(printf('%016x%016x', n / 4 * 7919 % 1000003, n)),
       unhex(printf('%016x%016x', n / 4 * 7919 % 1000003, n / 4 * 4)),
       CASE WHEN n % 4 > 0 THEN unhex(printf('%016x%016x', n / 4 * 7919 % 1000003, n / 4 * 4)) END,
       n % 4 > 0,
       CASE WHEN n % 4 > 0 THEN 0 END,
       CASE WHEN n % 4 > 0 THEN n % 4 END,
       CASE WHEN n % 4 > 0 THEN 'call' END,
       CASE WHEN n % 4 > 0 THEN 0 END,
       printf('f%d', n % 28 / 4), zeroblob(32), 0, '{}', 'completed', 0, 0, 0, n, x'', x''
FROM numbers;
