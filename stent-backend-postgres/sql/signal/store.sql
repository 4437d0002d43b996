-- $1: execution; $2: name; $3: value; $4: now. The latest value wins.
UPDATE signals
SET value = $3::bytea, sent_at = $4::timestamp
WHERE execution = $1::uuid AND name = $2::text;
