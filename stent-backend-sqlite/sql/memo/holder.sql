-- ?1: task; ?2: token; ?3: key; ?4: now. No row: the claim does not hold.
WITH RECURSIVE above (id, parent) AS (
    SELECT t.id, t.parent FROM tasks AS t WHERE t.id = ?1
    UNION ALL
    SELECT t.id, t.parent FROM above CROSS JOIN tasks AS t ON t.id = above.parent
)
SELECT CASE WHEN m.expires_at IS NULL OR m.expires_at > ?4 THEN m.value END AS value,
       -- Who has ended without a result holds nothing.
       (SELECT o.id FROM tasks AS o
        WHERE o.id = m.owner AND o.ended_at IS NULL) AS owner,
       EXISTS (SELECT 1 FROM above WHERE above.id = m.owner) AS is_above
FROM tasks AS t
LEFT JOIN memos AS m ON m.key = ?3
WHERE t.id = ?1 AND t.state = 'running' AND t.token = ?2;
