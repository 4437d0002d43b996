-- $1: worker.
UPDATE workers SET state = 'stopped' WHERE id = $1::uuid;
