-- $1: our schema. From here to the end of the transaction our tables are found by their names, and plans are those of connections of our own. Who is
-- stopped in the middle holds its locks no longer than that.
SELECT set_config('search_path', $1, TRUE),
       set_config('enable_seqscan', 'off', TRUE),
       set_config('enable_bitmapscan', 'off', TRUE),
       set_config('jit', 'off', TRUE),
       set_config('idle_in_transaction_session_timeout', '10s', TRUE);
