-- $1, $2: tasks and tokens; $3 to $12: what is to be taken, and the outcome's place in the journal; $13: when the waits' time is over, or NULL; $14: the body of an
-- outcome with a value; $15: that of a wait whose time is over. The slots are locked by an earlier statement, so that this one sees what lies in them, and
-- whether the entry is there already.
WITH asked AS MATERIALIZED (
    SELECT a.*, own.execution
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::integer[], $6::integer[], $7::timestamp[],
                $8::bigint[], $9::text[], $10::text[], $11::bytea[], $12::bigint[], $13::timestamp[]) WITH ORDINALITY
        AS a (task, token, name, generation, seq, turn, at, op_turn, op_kind, op_name, op_key, op_number, until, number)
    CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = a.task OFFSET 0) AS own
    -- The fence.
    WHERE own.state = 'running' AND own.token = a.token
), recorded AS MATERIALIZED (
    SELECT asked.number, CASE WHEN entry.kind = 'outcome' THEN entry.body END AS body, entry.payload
    FROM asked
    CROSS JOIN LATERAL (
        SELECT j.kind, j.body, j.payload
        FROM journal AS j
        WHERE j.task = asked.task AND j.generation = asked.generation AND j.seq = asked.seq
        OFFSET 0) AS entry
), open AS MATERIALIZED (
    SELECT asked.*, slot.value, slot.value IS NOT NULL AND slot.sent_at > asked.until AS is_late
    FROM asked
    LEFT JOIN LATERAL (
        SELECT s.value, s.sent_at FROM signals AS s WHERE s.execution = asked.execution AND s.name = asked.name OFFSET 0) AS slot ON TRUE
    WHERE asked.number NOT IN (SELECT number FROM recorded)
), taken AS MATERIALIZED (
    -- Of several tasks of the batch that ask for one value the first gets it whose time was not over when it was sent.
    SELECT DISTINCT ON (open.execution, open.name) open.*
    FROM open
    WHERE open.value IS NOT NULL AND open.is_late IS NOT TRUE
    ORDER BY open.execution, open.name, open.number
), elapsed AS MATERIALIZED (
    SELECT open.*
    FROM open
    WHERE open.number NOT IN (SELECT number FROM taken)
        AND (open.at >= open.until
             -- A value that came too late, if none of the batch has taken it before.
             OR open.is_late AND NOT EXISTS (
                 SELECT FROM taken WHERE taken.execution = open.execution AND taken.name = open.name AND taken.number < open.number))
), emptied AS (
    UPDATE signals AS s
    SET value = NULL, sent_at = NULL
    FROM taken
    WHERE s.execution = taken.execution AND s.name = taken.name
), ended AS MATERIALIZED (
    SELECT taken.*, $14::text AS body FROM taken
    UNION ALL
    SELECT elapsed.*, $15::text FROM elapsed
), journaled AS (
    INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
    SELECT task, generation, seq, execution, turn, at, token, 'outcome', op_turn, op_kind, op_name, op_key, op_number, body,
           -- What is too late stays where it is.
           CASE WHEN body = $14 THEN value END
    FROM ended
)
SELECT number - 1 AS key, body, payload FROM recorded
UNION ALL
SELECT number - 1, body, CASE WHEN body = $14 THEN value END FROM ended;
