-- $1: our schema. From here to the end of the transaction our tables are found by their names.
SELECT set_config('search_path', $1, TRUE);
