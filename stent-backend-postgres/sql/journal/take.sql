-- $1, $2: tasks and tokens; $3 to $12: what is to be taken, and the outcome's place in the journal; $13: the outcome's body. The slots are locked by an
-- earlier statement, so that this one sees what lies in them, and whether the entry is there already.
WITH asked AS MATERIALIZED (
    SELECT a.*, own.execution
    FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::integer[], $6::integer[], $7::timestamp[],
                $8::bigint[], $9::text[], $10::text[], $11::bytea[], $12::bigint[]) WITH ORDINALITY
        AS a (task, token, name, generation, seq, turn, at, op_turn, op_kind, op_name, op_key, op_number, number)
    CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = a.task OFFSET 0) AS own
    -- The fence.
    WHERE own.state = 'running' AND own.token = a.token
), recorded AS MATERIALIZED (
    SELECT asked.number, entry.payload
    FROM asked
    CROSS JOIN LATERAL (
        SELECT j.payload
        FROM journal AS j
        WHERE j.task = asked.task AND j.generation = asked.generation AND j.seq = asked.seq
        OFFSET 0) AS entry
), taken AS MATERIALIZED (
    -- Of several tasks of the batch that ask for one value the first gets it.
    SELECT DISTINCT ON (asked.execution, asked.name) asked.*, slot.value
    FROM asked
    CROSS JOIN LATERAL (
        SELECT s.value FROM signals AS s WHERE s.execution = asked.execution AND s.name = asked.name OFFSET 0) AS slot
    WHERE slot.value IS NOT NULL AND asked.number NOT IN (SELECT number FROM recorded)
    ORDER BY asked.execution, asked.name, asked.number
), emptied AS (
    UPDATE signals AS s
    SET value = NULL, sent_at = NULL
    FROM taken
    WHERE s.execution = taken.execution AND s.name = taken.name
), journaled AS (
    INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
    SELECT task, generation, seq, execution, turn, at, token, 'outcome', op_turn, op_kind, op_name, op_key, op_number, $13, value
    FROM taken
)
SELECT number - 1 AS key, payload FROM recorded
UNION ALL
SELECT number - 1, value FROM taken;
