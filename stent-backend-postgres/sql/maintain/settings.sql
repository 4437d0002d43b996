-- What an operator should know of the server: what a loss of power costs, and whether it cleans up behind itself.
SELECT name, setting AS value
FROM pg_catalog.pg_settings
WHERE name IN ('server_version', 'fsync', 'full_page_writes', 'synchronous_commit', 'autovacuum', 'max_connections')
ORDER BY name;
