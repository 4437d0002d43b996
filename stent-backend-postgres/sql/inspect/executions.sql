-- $1: the last one of the page before, or NULL; $2: how many at most; $3 to $7: states, function, queue, tag and earliest dispatch, or NULL.
SELECT id, function, version, queue, tags, priority, state, created_at, started_at, ended_at, deadline, failure, dedup
FROM tasks
-- One comparison, so that the index begins there.
WHERE id < coalesce($1::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff') AND parent IS NULL AND NOT deleting
    -- However few the filter lets through: they are read in order, until there are enough. Of CASE the planner expects that it lets half of them through; for
    -- the few that it hopes for otherwise it would sort all.
    AND CASE WHEN $3::text[] IS NULL THEN TRUE
             -- Once started it is shown as running, also between two claims.
             ELSE CASE WHEN state IN ('scheduled', 'pending') AND started_at IS NOT NULL THEN 'running' ELSE state END = ANY ($3) END
    AND CASE WHEN $4::text IS NULL THEN TRUE ELSE function = $4 END
    AND CASE WHEN $5::text IS NULL THEN TRUE ELSE queue = $5 END
    AND CASE WHEN $6::text IS NULL THEN TRUE ELSE tags @> ARRAY[$6] END
    AND CASE WHEN $7::timestamp IS NULL THEN TRUE ELSE created_at >= $7 END
ORDER BY id DESC
LIMIT $2::bigint;
