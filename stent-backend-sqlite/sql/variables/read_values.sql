SELECT name, value FROM state_values WHERE execution = ?1;
