-- $1: functions. Places held, whatever the version.
SELECT asked.function, (SELECT count(*) FROM tasks AS t WHERE t.place AND t.function = asked.function) AS held
FROM unnest($1::text[]) AS asked (function);
