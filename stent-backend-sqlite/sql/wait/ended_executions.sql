-- ?1: executions that are waited for. One that is gone is over, too.
SELECT asked.key
FROM json_each(?1) AS asked
WHERE NOT EXISTS (
    SELECT 1 FROM tasks AS t
    WHERE t.id = unhex(asked.value) AND t.parent IS NULL
      AND t.ended_at IS NULL);
