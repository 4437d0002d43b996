-- $1: task; $2: token; $3: key. Of those who reserve it at once one makes its row, and the others wait for that.
WITH own AS MATERIALIZED (
    SELECT t.state, t.token FROM tasks AS t WHERE t.id = $1::uuid FOR SHARE
)
INSERT INTO memos (key, owner)
SELECT $3::bytea, $1
FROM own
-- The fence.
WHERE own.state = 'running' AND own.token = $2::uuid
ON CONFLICT (key) DO NOTHING;
