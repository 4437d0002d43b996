-- $1: worker; $2: now. Its claims that have not run out: another has their rows at present.
SELECT t.id, t.token
FROM tasks AS t
WHERE t.state = 'running' AND t.worker = $1::uuid AND t.lease_until > $2::timestamp;
