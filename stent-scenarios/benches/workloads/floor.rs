//! What the raw database does: hand-written SQL on the tables of Stent, in batches of the same sizes.

use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};
use stent_backend_sqlite::SqliteOptions;
use tempfile::TempDir;

/// Tasks that one raw claim takes, and one raw completion ends.
const BATCH: u32 = 100;

/// A SQLite file with the tables of Stent, and one connection on it.
pub(crate) struct SqliteFloor {
    connection: SqliteConnection,
    made: u32,
    _folder: TempDir,
}

const INSERT: &str = "INSERT INTO tasks (id, execution, depth, function, fingerprint, priority, retry, state, due, created_at, input)
    SELECT unhex(value), unhex(value), 0, 'nothing', zeroblob(32), 0, '{}', 'pending', 0, 0, x'5b375d' FROM json_each(?1)";
const CLAIM: &str = "UPDATE tasks SET state = 'running', token = randomblob(16), claimed_at = 1, lease_until = 2, attempt = 1
    WHERE row IN (SELECT row FROM tasks WHERE function = 'nothing' AND version = '' AND state = 'pending' ORDER BY priority DESC, due, id LIMIT ?1)
    RETURNING hex(id) AS id, input";
const COMPLETE: &str = "UPDATE tasks SET state = 'completed', ended_at = 3, due = NULL, output = x'37'
    WHERE id IN (SELECT unhex(value) FROM json_each(?1))";

impl SqliteFloor {
    pub(crate) async fn open(folder: TempDir) -> Self {
        let file = folder.path().join("raw.db");
        // The tables are those of Stent.
        drop(SqliteOptions::new(&file).open().await.unwrap());
        let options = SqliteConnectOptions::new()
            .filename(file)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        Self { connection: options.connect().await.unwrap(), made: 0, _folder: folder }
    }

    /// Inserts so many tasks, so many a commit.
    pub(crate) async fn insert(&mut self, count: u32, batch: u32) -> Duration {
        let begun = Instant::now();
        for _ in 0..count / batch {
            let ids: Vec<String> = (self.made..self.made + batch).map(|number| format!("{number:032x}")).collect();
            self.made += batch;
            let ids = serde_json::to_string(&ids).unwrap();
            sqlx::query(INSERT).bind(ids).execute(&mut self.connection).await.unwrap();
        }
        begun.elapsed()
    }

    /// Claims and completes all that was inserted.
    pub(crate) async fn drain(&mut self) -> Duration {
        let begun = Instant::now();
        loop {
            let claimed = sqlx::query(CLAIM).bind(BATCH).fetch_all(&mut self.connection).await.unwrap();
            if claimed.is_empty() {
                return begun.elapsed();
            }
            let ids: Vec<String> = claimed.iter().map(|row| row.get("id")).collect();
            let ids = serde_json::to_string(&ids).unwrap();
            sqlx::query(COMPLETE).bind(ids).execute(&mut self.connection).await.unwrap();
        }
    }

    /// The time of one commit of one row.
    pub(crate) async fn commit(&mut self, count: u32) -> Duration {
        self.insert(count, 1).await / count
    }

    pub(crate) async fn close(self) {
        self.connection.close().await.unwrap();
    }
}
