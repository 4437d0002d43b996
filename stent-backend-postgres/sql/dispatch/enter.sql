-- $1: our schema. From here on the names of a transaction of others mean what is in it; answers with what they meant before. Temporary tables come last,
-- which otherwise come first.
WITH before AS MATERIALIZED (SELECT current_setting('search_path') AS search_path)
SELECT before.search_path,
       to_regclass(quote_ident($1) || '.schema_version') IS NOT NULL AS is_ours,
       set_config('search_path', quote_ident($1) || ', pg_temp', true) AS entered
FROM before;
