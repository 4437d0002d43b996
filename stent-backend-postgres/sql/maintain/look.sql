-- ?: a schema. How many tables it has, and whether one of them is ours.
SELECT count(*), coalesce(bool_or(c.relname = 'schema_version'), false)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p');
