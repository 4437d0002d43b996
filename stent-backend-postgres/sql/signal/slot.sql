-- $1: execution; $2: name. Makes the slot, where whoever waits and whoever sends meet. One that has ended gets it, too: a repeat must meet the first send,
-- which may be in flight since before the end.
INSERT INTO signals (execution, name)
SELECT t.id, $2::text
FROM (SELECT r.id, r.parent, r.deleting FROM tasks AS r WHERE r.id = $1::uuid OFFSET 0) AS t
WHERE t.parent IS NULL AND NOT t.deleting
ON CONFLICT (execution, name) DO NOTHING;
