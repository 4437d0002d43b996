-- $1: the send's id; $2: execution; $3: whether it overwrote a value. A send of this id to another slot is waited for; if that was stored, nothing is.
INSERT INTO signal_sends (id, execution, overwrote) VALUES ($1::uuid, $2::uuid, $3::boolean)
ON CONFLICT (id) DO NOTHING;
