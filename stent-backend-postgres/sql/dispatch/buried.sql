-- $1: dead letter.
SELECT execution FROM dead_letters WHERE task = $1::uuid;
