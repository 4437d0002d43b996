-- $1, $2: tasks and tokens. Those whose claims hold; a task that somebody else has locked is left for later, so that a batch waits for nobody.
SELECT t.id
FROM tasks AS t
WHERE t.id = ANY ($1::uuid[])
    -- Within CASE the state is nothing that an index could be chosen for.
    AND CASE WHEN t.state = 'running' THEN t.token = ANY ($2::uuid[]) END
ORDER BY t.depth DESC, t.id
FOR UPDATE OF t SKIP LOCKED;
