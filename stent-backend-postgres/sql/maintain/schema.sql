-- $1: our schema. Whether it is there, and if so whether tables can be made in it: elsewhere they would be made as temporary ones, without an error.
SELECT count(*) > 0 AS is_there,
       coalesce(bool_and(pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')), TRUE) AS is_free
FROM pg_catalog.pg_namespace AS n
WHERE n.nspname = $1::text;
