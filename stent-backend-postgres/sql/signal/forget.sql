-- $1: execution; $2: name. The slot is locked, and was made for a send that stores nothing.
DELETE FROM signals WHERE execution = $1::uuid AND name = $2::text AND value IS NULL;
