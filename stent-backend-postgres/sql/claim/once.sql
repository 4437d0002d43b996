-- $1: a number of the token's. A repeat that overtakes its first call waits for it here, and then sees what that has taken. The commit is answered before
-- it is on disk: a crash of the server may forget it, and whoever acts by it is then fenced by its token.
SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock($1::bigint);
