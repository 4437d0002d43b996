-- ?1: how many. Half are roots, of seven functions, a third of them with deadlines; half are items of maps of a thousand, the first of which are their
-- suspended roots.
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1 / 2)
INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, max_duration, deadline, input)
SELECT unhex(printf('b%015x%016x', n * 7919 % 1000003, n)), unhex(printf('b%015x%016x', n * 7919 % 1000003, n)), 0, printf('f%d', n % 7),
       zeroblob(32), n % 5, '{}', 'pending', n, 0, CASE WHEN n % 3 = 0 THEN 1 END, CASE WHEN n % 3 = 0 THEN 1000000 + n END, x''
FROM numbers
UNION ALL
SELECT unhex(printf('a%015x%016x', n / 1000, 0)), unhex(printf('a%015x%016x', n / 1000, 0)), 0, 'm', zeroblob(32), 0, '{}', 'suspended', NULL,
       0, NULL, NULL, x''
FROM numbers
WHERE n % 1000 = 0;
