-- The server's clock, in UTC.
SELECT timezone('UTC', clock_timestamp()) AS now;
