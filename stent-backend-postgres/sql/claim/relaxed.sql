-- This transaction's commit is answered before it is on disk. A crash of the server may forget it; whoever acts by it is then fenced by its token.
SELECT set_config('synchronous_commit', 'off', true);
