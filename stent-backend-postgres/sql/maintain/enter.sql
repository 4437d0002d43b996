-- $1: our schema. From here to the end of the transaction our tables are found by their names, before temporary ones, which otherwise come first, and
-- plans are those of connections of our own. Who is stopped in the middle holds its locks no longer than that.
SELECT set_config('search_path', quote_ident($1) || ',pg_temp', TRUE),
       set_config('enable_seqscan', 'off', TRUE),
       set_config('enable_bitmapscan', 'off', TRUE),
       set_config('jit', 'off', TRUE),
       set_config('idle_in_transaction_session_timeout', '10s', TRUE);
