-- $1: a number of the token's. A repeat that overtakes its first call waits for it here, and then sees what that has taken.
SELECT pg_advisory_xact_lock($1::bigint);
