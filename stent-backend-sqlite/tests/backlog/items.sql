-- ?1: as for the pending ones.
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?1 / 2)
INSERT INTO tasks (id, execution, parent, depth, made_generation, made_turn, made_kind, made_number, map_index, function, fingerprint, priority, retry,
                   state, due, created_at, input)
SELECT unhex(printf('a%015x%016x', n / 1000, n % 1000 + 1)), unhex(printf('a%015x%016x', n / 1000, 0)), unhex(printf('a%015x%016x', n / 1000, 0)),
       1, 0, 1, 'map', 0, n % 1000, 'item', zeroblob(32), 0, '{}', 'pending', 0, 0, x''
FROM numbers;
