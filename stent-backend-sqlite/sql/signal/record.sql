INSERT INTO signal_sends (id, execution, overwrote) VALUES (?1, ?2, ?3);
