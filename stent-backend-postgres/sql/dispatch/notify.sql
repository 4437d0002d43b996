-- $1: where hints go; $2: the hint. It goes out if and when this transaction is committed.
SELECT pg_notify($1, $2);
