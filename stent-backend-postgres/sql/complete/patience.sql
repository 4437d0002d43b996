-- $1: how long this transaction waits for a lock, with its unit.
SELECT set_config('lock_timeout', $1, true);
