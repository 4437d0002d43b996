-- The tables that the file lacks: all of it was not copied.
SELECT group_concat(name, ', ')
FROM (WITH ours(name) AS (VALUES ('counters'), ('dead_letters'), ('journal'), ('limits'), ('memos'), ('signal_sends'), ('signals'), ('state_values'), ('tasks'), ('waits'), ('workers'))
      SELECT name
      FROM ours
      WHERE name NOT IN (SELECT name FROM sqlite_schema WHERE type = 'table')
      ORDER BY name);
