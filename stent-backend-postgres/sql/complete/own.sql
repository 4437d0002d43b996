-- $1: tasks that end; $2: the tokens of their claims. Those whose claims hold, and suspended parents, which the statement before has found: with their parents' locks held none becomes suspended
-- any more. All in one statement, because they are of several depths and must be locked in one order.
SELECT t.id
FROM tasks AS t
WHERE t.id = ANY ($1::uuid[] || (SELECT nullif(current_setting('stent.parents', TRUE), '')::uuid[]))
    -- Within CASE the states are nothing that an index could be chosen for.
    AND CASE t.state WHEN 'running' THEN t.token = ANY ($2::uuid[]) AND t.id = ANY ($1) WHEN 'suspended' THEN TRUE END
ORDER BY t.depth DESC, t.id
FOR NO KEY UPDATE OF t;
