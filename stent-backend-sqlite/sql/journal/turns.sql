-- ?1: turns. Those whose claims hold, and what a repeat or a take needs to know.
SELECT turns.key,
       t.execution,
       EXISTS (SELECT 1 FROM journal AS j
               WHERE j.task = t.id AND j.generation = turns.value ->> 'generation'
                 AND j.seq = turns.value ->> 'first') AS is_repeat,
       EXISTS (SELECT 1 FROM journal AS j
               WHERE j.task = t.id AND j.generation = turns.value ->> 'generation'
                 AND j.seq = turns.value ->> 'take') AS is_taken,
       (SELECT j.payload FROM journal AS j
        WHERE j.task = t.id AND j.generation = turns.value ->> 'generation'
          AND j.seq = turns.value ->> 'take') AS taken,
       (SELECT s.value FROM signals AS s
        WHERE s.execution = t.execution AND s.name = turns.value ->> 'signal') AS slot
FROM json_each(?1) AS turns
CROSS JOIN tasks AS t ON t.id = unhex(turns.value ->> 'task')
-- The fence.
WHERE t.state = 'running' AND t.token = unhex(turns.value ->> 'token');
