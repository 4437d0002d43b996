-- ?1: claims that do not hold. The states of the tasks that nobody has claimed since.
SELECT claims.key, t.state
FROM json_each(?1) AS claims
CROSS JOIN tasks AS t ON t.id = unhex(claims.value ->> 'task')
WHERE t.token = unhex(claims.value ->> 'token');
