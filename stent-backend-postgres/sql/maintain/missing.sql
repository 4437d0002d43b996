-- $1: a schema. The tables that it lacks: all of it was not copied.
SELECT string_agg(name, ', ' ORDER BY name)
FROM (VALUES ('counters'), ('dead_letters'), ('journal'), ('limits'), ('memos'), ('signal_sends'), ('signals'), ('state_values'), ('tasks'), ('waits'), ('workers')) AS ours(name)
WHERE NOT EXISTS (SELECT
                  FROM pg_catalog.pg_class AS c
                  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE n.nspname = $1 AND c.relname = ours.name AND c.relkind IN ('r', 'p'));
