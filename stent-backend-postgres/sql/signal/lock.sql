-- $1: execution; $2: name. Who takes, who suspends itself on it and who sends at the same time waits for this transaction, or has committed when the next
-- statement looks.
SELECT FROM signals WHERE execution = $1::uuid AND name = $2::text FOR NO KEY UPDATE;
