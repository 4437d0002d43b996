//! Books over all rows that are written, by what was done to which table, kept by triggers.

use std::collections::BTreeMap;

use stent_scenarios::{Bench, Probe};

/// All that functions, clients and workers write.
const TABLES: [&str; 11] = [
    "tasks",
    "journal",
    "signals",
    "signal_sends",
    "waits",
    "memos",
    "counters",
    "state_values",
    "dead_letters",
    "workers",
    "limits",
];

/// The books of one store.
pub(crate) struct Books {
    probe: Probe,
    /// The last line that was read.
    last: i64,
    /// How often workers announced themselves.
    pub(crate) announced: u64,
}

impl Books {
    /// Opens them: all that is written from now on.
    pub(crate) async fn open(bench: &Bench) -> Self {
        // The tables.
        drop(bench.backend().await);
        let mut probe = bench.probe().await;
        probe
            .run(
                "CREATE TABLE books (number INTEGER PRIMARY KEY, what TEXT NOT NULL)",
                "CREATE TABLE books (number bigserial, what text NOT NULL);
                 CREATE FUNCTION books() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     INSERT INTO books (what) VALUES (TG_TABLE_NAME || ' ' || lower(TG_OP));
                     RETURN NULL;
                 END $$",
            )
            .await;
        for table in TABLES {
            for deed in ["insert", "update", "delete"] {
                let on_sqlite = format!(
                    "CREATE TRIGGER books_{table}_{deed} AFTER {deed} ON {table}
                     BEGIN INSERT INTO books (what) VALUES ('{table} {deed}'); END"
                );
                let on_postgres = format!(
                    "CREATE TRIGGER books_{deed} AFTER {deed} ON {table} FOR EACH ROW EXECUTE FUNCTION books()"
                );
                probe.run(&on_sqlite, &on_postgres).await;
            }
        }
        Self { probe, last: 0, announced: 0 }
    }

    /// What was written since the last time this was asked: `journal insert 2, tasks update 1`. What workers announce is counted apart.
    pub(crate) async fn rows(&mut self) -> String {
        let new = "SELECT CAST(number AS text) || ' ' || what FROM books";
        let new = format!("{new} WHERE number > {} ORDER BY number", self.last);
        let mut rows = BTreeMap::new();
        for line in self.probe.texts_of(&new, &new).await {
            let (number, what) = line.split_once(' ').unwrap();
            self.last = number.parse().unwrap();
            match what.starts_with("workers ") {
                true => self.announced += 1,
                false => *rows.entry(what.to_owned()).or_insert(0_u64) += 1,
            }
        }
        rows.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
    }
}
