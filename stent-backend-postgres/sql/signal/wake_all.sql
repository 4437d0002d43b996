-- $1: execution; $2: name; $3: the send's id; $4: now. Wakes those who wait for the signal, which are locked, if this transaction has sent it.
UPDATE tasks
SET state = 'pending', due = $4::timestamp
WHERE id = ANY (ARRAY(
        SELECT w.task
        FROM waits AS w
        WHERE w.execution = $1::uuid AND w.signal = $2::text
            AND EXISTS (SELECT FROM signal_sends AS s WHERE s.id = $3::uuid AND s.xmin = pg_current_xact_id()::xid)))
    AND CASE WHEN state = 'suspended' THEN TRUE END;
