-- What this transaction writes is on disk before its commit is answered, if that is how the server is set up.
SET LOCAL synchronous_commit TO DEFAULT;
