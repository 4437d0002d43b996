-- The file that a connection was opened on.
SELECT file
FROM pragma_database_list
WHERE name = 'main';
