-- $1: key. Who holds it cannot store a result from now on, and nobody can take it over.
SELECT FROM memos WHERE key = $1::bytea FOR NO KEY UPDATE;
