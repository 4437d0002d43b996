-- ?1: the new file, empty or missing.
VACUUM INTO ?1;
