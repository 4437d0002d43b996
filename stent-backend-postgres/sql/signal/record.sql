-- $1: the send's id; $2: execution; $3: whether it overwrote a value.
INSERT INTO signal_sends (id, execution, overwrote) VALUES ($1::uuid, $2::uuid, $3::boolean);
