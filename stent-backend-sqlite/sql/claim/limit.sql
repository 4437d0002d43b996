-- ?1: [[function, places], …].
INSERT INTO limits (function, max_concurrent)
SELECT value ->> 0, value ->> 1 FROM json_each(?1) WHERE TRUE
ON CONFLICT (function) DO UPDATE SET max_concurrent = excluded.max_concurrent
WHERE max_concurrent <> excluded.max_concurrent;
