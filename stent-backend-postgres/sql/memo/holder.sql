-- $1: task; $2: token; $3: key; $4: now. No row: the claim does not hold.
WITH RECURSIVE above (id, parent) AS (
    SELECT t.id, t.parent FROM tasks AS t WHERE t.id = $1::uuid
    UNION ALL
    SELECT t.id, t.parent
    FROM above
    CROSS JOIN LATERAL (SELECT a.id, a.parent FROM tasks AS a WHERE a.id = above.parent OFFSET 0) AS t
)
SELECT CASE WHEN m.expires_at IS NULL OR m.expires_at > $4::timestamp THEN m.value END AS value,
       -- Who has ended without a result holds nothing.
       (SELECT o.id FROM (SELECT t.id, t.ended_at FROM tasks AS t WHERE t.id = m.owner OFFSET 0) AS o WHERE o.ended_at IS NULL) AS owner,
       m.owner IN (SELECT above.id FROM above) AS is_above
FROM (SELECT t.state, t.token FROM tasks AS t WHERE t.id = $1 OFFSET 0) AS own
LEFT JOIN memos AS m ON m.key = $3::bytea
WHERE own.state = 'running' AND own.token = $2::uuid;
