-- $1, $2: a task and its token, an array each. Waits for its turn: for the ends of children, which hold their parent's row until they are committed.
SELECT t.id
FROM tasks AS t
WHERE t.id = ANY ($1::uuid[])
    -- Within CASE the state is nothing that an index could be chosen for.
    AND CASE WHEN t.state = 'running' THEN t.token = ANY ($2::uuid[]) END
FOR UPDATE OF t;
