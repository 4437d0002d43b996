-- $1: a schema. How many tables it has, whether one of them is ours, and whether this user may look into it; and the database's encoding.
SELECT count(*),
       coalesce(bool_or(c.relname = 'schema_version'), false),
       coalesce(bool_and(has_schema_privilege(n.oid, 'USAGE')), true),
       current_setting('server_encoding')
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p');
