-- $1, $2: tasks and tokens of the claims that entries are written under; $3 to $14: the entries. Those that were not there are returned.
INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
SELECT e.task, e.generation, e.seq, own.execution, e.turn, e.at, e.token, e.kind, e.op_turn, e.op_kind, e.op_name, e.op_key, e.op_number, e.body,
       e.payload
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::timestamp[], $7::text[],
            $8::bigint[], $9::text[], $10::text[], $11::bytea[], $12::bigint[], $13::text[], $14::bytea[])
    AS e (task, token, generation, seq, turn, at, kind, op_turn, op_kind, op_name, op_key, op_number, body, payload)
-- Looked up by id, whatever the planner believes of how few tasks are running.
CROSS JOIN LATERAL (SELECT t.execution, t.state, t.token FROM tasks AS t WHERE t.id = e.task OFFSET 0) AS own
-- The fence.
WHERE own.state = 'running' AND own.token = e.token
-- A repeat may meet the first write while that is in flight: it waits for it here, and then finds that its entries are there.
ON CONFLICT (task, generation, seq) DO NOTHING
RETURNING task, seq;
