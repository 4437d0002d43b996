-- $1: a schema. The indexes that it has and that are whole: one whose making was cut short answers nothing.
SELECT c.relname AS name
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND i.indisvalid;
