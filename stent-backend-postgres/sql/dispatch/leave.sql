-- $1: what names meant before, which they mean again.
SELECT set_config('search_path', $1, true);
