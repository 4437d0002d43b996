-- ?1: turns. Those whose claims hold, and what a repeat or a take needs to know.
SELECT turns.key,
       t.execution,
       EXISTS (SELECT 1 FROM journal AS j
               WHERE j.task = t.id AND j.generation = turns.value ->> 'generation'
                 AND j.seq = turns.value ->> 'first') AS is_repeat,
       EXISTS (SELECT 1 FROM journal AS j
               WHERE j.task = t.id AND j.generation = turns.value ->> 'generation'
                 AND j.seq = turns.value ->> 'take') AS is_taken,
       taken.body AS taken_body,
       taken.payload AS taken,
       s.value AS slot,
       s.sent_at
FROM json_each(?1) AS turns
CROSS JOIN tasks AS t ON t.id = unhex(turns.value ->> 'task')
LEFT JOIN journal AS taken
    ON taken.task = t.id AND taken.generation = turns.value ->> 'generation'
        AND taken.seq = turns.value ->> 'take' AND taken.kind = 'outcome'
LEFT JOIN signals AS s ON s.execution = t.execution AND s.name = turns.value ->> 'signal'
-- The fence.
WHERE t.state = 'running' AND t.token = unhex(turns.value ->> 'token');
