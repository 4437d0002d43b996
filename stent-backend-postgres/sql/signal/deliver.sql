-- $1: execution; $2: name, whose slot is locked; $3: the send's id; $4: value; $5: now. A row if the send is new and the execution open.
WITH receiver AS MATERIALIZED (
    SELECT t.id,
           coalesce((SELECT s.value IS NOT NULL FROM signals AS s WHERE s.execution = $1 AND s.name = $2::text), FALSE) AS overwrites
    FROM tasks AS t
    WHERE t.id = $1::uuid AND t.parent IS NULL AND NOT t.deleting AND t.ended_at IS NULL
), recorded AS (
    INSERT INTO signal_sends (id, execution, overwrote)
    SELECT $3::uuid, receiver.id, receiver.overwrites FROM receiver
    ON CONFLICT (id) DO NOTHING
    RETURNING overwrote
), stored AS (
    -- The latest value wins.
    UPDATE signals AS s
    SET value = $4::bytea, sent_at = $5::timestamp
    FROM recorded
    WHERE s.execution = $1 AND s.name = $2
)
SELECT overwrote FROM recorded;
