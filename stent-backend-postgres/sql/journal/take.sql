-- $1, $2: tasks and tokens; $3 to $13: what is to be taken, by when it was to be sent, and the outcome's place in the journal; $14, $15: the bodies of a
-- value and of an elapsed wait. The slots are locked by an earlier statement, so that this one sees what lies in them, and whether the entry is there already.
WITH asked AS MATERIALIZED (
    SELECT a.*, own.execution, slot.value, slot.sent_at
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamp[], $5::integer[], $6::integer[], $7::integer[], $8::timestamp[],
                $9::bigint[], $10::text[], $11::text[], $12::bytea[], $13::bigint[]) WITH ORDINALITY
        AS a (task, token, name, until, generation, seq, turn, at, op_turn, op_kind, op_name, op_key, op_number, number)
    CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = a.task OFFSET 0) AS own
    LEFT JOIN LATERAL (
        SELECT s.value, s.sent_at FROM signals AS s WHERE s.execution = own.execution AND s.name = a.name OFFSET 0) AS slot ON TRUE
    -- The fence.
    WHERE own.state = 'running' AND own.token = a.token
), recorded AS MATERIALIZED (
    SELECT asked.number, entry.body, entry.payload
    FROM asked
    CROSS JOIN LATERAL (
        SELECT CASE WHEN j.kind = 'outcome' THEN j.body END AS body, j.payload
        FROM journal AS j
        WHERE j.task = asked.task AND j.generation = asked.generation AND j.seq = asked.seq
        OFFSET 0) AS entry
), new AS MATERIALIZED (
    SELECT * FROM asked WHERE number NOT IN (SELECT number FROM recorded)
), taken AS MATERIALIZED (
    -- Of several tasks of the batch that ask for one value the first gets it for whom it was sent in time.
    SELECT DISTINCT ON (execution, name) *
    FROM new
    WHERE value IS NOT NULL AND (until IS NULL OR sent_at <= until)
    ORDER BY execution, name, number
), elapsed AS MATERIALIZED (
    SELECT new.*
    FROM new
    WHERE number NOT IN (SELECT number FROM taken)
        AND (at >= until
             OR sent_at > until AND NOT EXISTS (
                 SELECT FROM taken AS t WHERE t.execution = new.execution AND t.name = new.name AND t.number < new.number))
), outcomes AS MATERIALIZED (
    SELECT *, $14::text AS body FROM taken
    UNION ALL
    SELECT *, $15::text FROM elapsed
), emptied AS (
    UPDATE signals AS s
    SET value = NULL, sent_at = NULL
    FROM taken
    WHERE s.execution = taken.execution AND s.name = taken.name
), journaled AS (
    INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
    SELECT task, generation, seq, execution, turn, at, token, 'outcome', op_turn, op_kind, op_name, op_key, op_number, body,
           CASE WHEN body = $14 THEN value END
    FROM outcomes
)
SELECT number - 1 AS key, body, payload FROM recorded WHERE body IS NOT NULL
UNION ALL
SELECT number - 1, body, CASE WHEN body = $14 THEN value END FROM outcomes;
