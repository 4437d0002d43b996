-- What an operator should know of the file: how it is written, and how much of it is free.
SELECT 'SQLite' AS name, sqlite_version() AS value
UNION ALL
SELECT 'journal mode', journal_mode
FROM pragma_journal_mode
UNION ALL
SELECT 'size', (page_count * page_size / 1048576) || ' MiB, of which ' || (freelist_count * page_size / 1048576) || ' are free'
FROM pragma_page_count, pragma_page_size, pragma_freelist_count;
