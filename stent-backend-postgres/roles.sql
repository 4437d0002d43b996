-- Three roles for a schema of Stent's: run it once, as an administrator, in the database that Stent is to use.

-- It owns the schema: programs that migrate connect as this one, and no others.
CREATE ROLE stent_owner LOGIN;
-- Clients and workers: they read and write what is in the tables, and can change nothing else.
CREATE ROLE stent_app LOGIN;
-- Whoever looks on: it reads.
CREATE ROLE stent_ro LOGIN;

CREATE SCHEMA stent AUTHORIZATION stent_owner;
REVOKE ALL ON SCHEMA stent FROM PUBLIC;
GRANT USAGE ON SCHEMA stent TO stent_app, stent_ro;

-- Of the tables that migrations will make.
ALTER DEFAULT PRIVILEGES FOR ROLE stent_owner IN SCHEMA stent GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO stent_app;
ALTER DEFAULT PRIVILEGES FOR ROLE stent_owner IN SCHEMA stent GRANT SELECT ON TABLES TO stent_ro;

ALTER ROLE stent_app SET statement_timeout = '60s';
ALTER ROLE stent_app SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE stent_ro SET default_transaction_read_only = on;
ALTER ROLE stent_ro SET statement_timeout = '10s';
