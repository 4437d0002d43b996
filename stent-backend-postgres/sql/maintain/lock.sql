-- $1: the key under which schemas are changed. Held to the end of the transaction, so that nothing is left locked on a connection that is shared.
SELECT pg_advisory_xact_lock($1);
