-- The version of the schema; 0 if its row is lost.
SELECT coalesce(max(version), 0)
FROM schema_version;
