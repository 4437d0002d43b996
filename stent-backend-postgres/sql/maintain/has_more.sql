-- $1: now; $2: before which time things ended. The first of each by its index: the planner may hope to come upon any of them soon in the table itself.
SELECT EXISTS (SELECT 1 FROM tasks AS t WHERE t.deleting)
    OR coalesce((SELECT t.ended_at
                 FROM tasks AS t
                 WHERE t.parent IS NULL AND t.ended_at IS NOT NULL AND NOT t.deleting
                 ORDER BY t.ended_at, t.id
                 LIMIT 1) < $2::timestamp, FALSE)
    OR coalesce((SELECT m.expires_at
                 FROM memos AS m
                 WHERE m.expires_at IS NOT NULL
                 ORDER BY m.expires_at
                 LIMIT 1) <= $1::timestamp, FALSE)
    OR EXISTS (SELECT 1 FROM workers AS w WHERE w.seen_at < $2) AS has_more;
