//! The raw SQLite: one connection, prepared statements.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use stent_core::Timestamp;
use stent_core::retry::RetryPolicy;

use crate::database::probe;

/// Tasks of one insert, and of one claim and completion.
const INSERTED: u32 = 1_000;
const CLAIMED: u32 = 100;

const INSERT: &str = "INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, input)
    SELECT unhex(value), unhex(value), 0, 'nothing', randomblob(32), 0, ?2, 'pending', ?3, ?3, x'5b313233345d' FROM json_each(?1)";
const CLAIM: &str = "UPDATE tasks
    SET state = 'running', token = ?2, worker = ?2, claimed_at = ?3, lease_until = ?3 + 10000000, started_at = ?3, attempt = 1, counted = 1,
        journal_from = ?3
    WHERE row IN (SELECT row FROM tasks WHERE function = 'nothing' AND version = '' AND state = 'pending' ORDER BY priority DESC, due, id LIMIT ?1)
    RETURNING hex(id) AS id, input";
const COMPLETE: &str = "UPDATE tasks
    SET state = 'completed', output = x'31323334', worker = NULL, lease_until = NULL, ended_at = ?2
    WHERE id IN (SELECT unhex(value) FROM json_each(?1))";
const COMMIT: &str = "INSERT INTO journal (task, generation, seq, execution, turn, at, token, kind, op_turn, op_kind, op_name, op_number, body, payload)
    VALUES (?1, 0, ?2, ?1, ?2, ?3, ?1, 'outcome', ?2, 'step', 'nothing', 0, '\"completed\"', x'37')";

pub(super) struct SqliteFloor {
    connection: SqliteConnection,
    made: u32,
}

impl SqliteFloor {
    pub(super) async fn open(file: &Path) -> Self {
        Self { connection: probe::sqlite(file).await, made: 0 }
    }

    pub(super) async fn insert(&mut self, count: u32) -> Duration {
        let retry = serde_json::to_string(&RetryPolicy::default()).unwrap();
        let begun = Instant::now();
        for _ in 0..count / INSERTED {
            let ids: Vec<String> = (self.made..self.made + INSERTED).map(|number| format!("{number:032x}")).collect();
            self.made += INSERTED;
            let ids = serde_json::to_string(&ids).unwrap();
            sqlx::query(INSERT).bind(ids).bind(&retry).bind(now()).execute(&mut self.connection).await.unwrap();
        }
        begun.elapsed()
    }

    pub(super) async fn drain(&mut self) -> Duration {
        let begun = Instant::now();
        loop {
            let token = uuid::Uuid::new_v4().into_bytes();
            let claim = sqlx::query(CLAIM).bind(CLAIMED).bind(&token[..]).bind(now());
            let claimed = claim.fetch_all(&mut self.connection).await.unwrap();
            if claimed.is_empty() {
                return begun.elapsed();
            }
            let ids: Vec<&str> = claimed.iter().map(|row| row.get("id")).collect();
            let ids = serde_json::to_string(&ids).unwrap();
            sqlx::query(COMPLETE).bind(ids).bind(now()).execute(&mut self.connection).await.unwrap();
        }
    }

    pub(super) async fn commits(&mut self, count: u32) -> Vec<Duration> {
        let task = uuid::Uuid::new_v4().into_bytes();
        let mut times = Vec::new();
        for seq in 0..count {
            let begun = Instant::now();
            let commit = sqlx::query(COMMIT).bind(&task[..]).bind(seq).bind(now());
            commit.execute(&mut self.connection).await.unwrap();
            times.push(begun.elapsed());
        }
        times
    }

    pub(super) async fn close(self) {
        self.connection.close().await.unwrap();
    }
}

fn now() -> i64 {
    Timestamp::system_now().as_micros()
}
