-- ?1: entries with the claims they are written under.
-- An item is rendered as often as json_each is asked for it: here, once.
WITH e (value) AS MATERIALIZED (SELECT value FROM json_each(?1))
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind,
                     op_turn, op_kind, op_name, op_key, op_number, body, payload)
SELECT t.id,
       e.value ->> 'generation',
       e.value ->> 'seq',
       t.execution,
       e.value ->> 'turn',
       e.value ->> 'at',
       t.token,
       e.value ->> 'kind',
       e.value ->> 'op_turn',
       e.value ->> 'op_kind',
       e.value ->> 'op_name',
       unhex(e.value ->> 'op_key'),
       e.value ->> 'op_number',
       e.value ->> 'body',
       -- No part of an empty blob is NULL.
       CASE WHEN e.value ->> 'offset' IS NOT NULL
            THEN coalesce(substr(?2, e.value ->> 'offset', e.value ->> 'length'), x'') END
FROM e
CROSS JOIN tasks AS t ON t.id = unhex(e.value ->> 'task')
-- The fence.
WHERE t.state = 'running' AND t.token = unhex(e.value ->> 'token')
-- An entry that is there already counts as one written: as many rows as entries means that no claim was lost.
ON CONFLICT (task, generation, seq) DO UPDATE SET seq = journal.seq;
