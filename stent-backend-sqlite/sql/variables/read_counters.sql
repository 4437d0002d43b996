SELECT name, value FROM counters WHERE execution = ?1;
