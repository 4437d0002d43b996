//! A look at a store from the side, by statements that cost it next to nothing.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection};
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(10);

/// A connection beside those of Stent.
#[derive(Debug)]
pub enum Probe {
    /// A file's.
    Sqlite(SqliteConnection),
    /// A schema's.
    Postgres(Client),
}

/// Whether anything may be claimed or is claimed. Of each index the first entry is read.
const BUSY_SQLITE: &str = "SELECT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_pending WHERE state = 'pending')
    OR EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_lease WHERE state = 'running')";
const BUSY_POSTGRES: &str = "SELECT (EXISTS (SELECT FROM tasks WHERE state = 'pending')
    OR EXISTS (SELECT FROM tasks WHERE state = 'running'))::integer";

impl Probe {
    /// One of a SQLite file.
    pub async fn sqlite(file: &Path) -> Self {
        Self::Sqlite(sqlite(file).await)
    }

    /// One of a schema.
    pub async fn postgres(url: &str, schema: &str) -> Self {
        Self::Postgres(postgres(url, schema).await)
    }

    /// The number that a statement of both databases answers with.
    pub async fn number(&mut self, sql: &str) -> i64 {
        self.number_of(sql, sql).await
    }

    /// The number that the database's statement answers with.
    pub async fn number_of(&mut self, on_sqlite: &str, on_postgres: &str) -> i64 {
        match self {
            Self::Sqlite(connection) => {
                let row = sqlx::query(AssertSqlSafe(on_sqlite)).fetch_one(connection).await.unwrap();
                row.get(0)
            }
            Self::Postgres(client) => {
                // One round trip.
                let answer = client.simple_query(on_postgres).await.unwrap();
                let row = answer.iter().find_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0),
                    _ => None,
                });
                row.unwrap().parse().unwrap()
            }
        }
    }

    /// The texts that the database's statement answers with, a row each.
    pub async fn texts_of(&mut self, on_sqlite: &str, on_postgres: &str) -> Vec<String> {
        match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(AssertSqlSafe(on_sqlite)).fetch_all(connection).await.unwrap();
                rows.iter().map(|row| row.get(0)).collect()
            }
            Self::Postgres(client) => {
                let answer = client.simple_query(on_postgres).await.unwrap();
                let texts = answer.iter().filter_map(|message| match message {
                    SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                    _ => None,
                });
                texts.collect()
            }
        }
    }

    /// Runs the database's statement.
    pub async fn run(&mut self, on_sqlite: &str, on_postgres: &str) {
        match self {
            Self::Sqlite(connection) => {
                sqlx::query(AssertSqlSafe(on_sqlite)).execute(connection).await.unwrap();
            }
            Self::Postgres(client) => client.batch_execute(on_postgres).await.unwrap(),
        }
    }

    /// Transactions of this database so far, if somebody counts them.
    pub async fn transactions(&mut self) -> Option<i64> {
        let sql = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(_) => Some(self.number(sql).await),
        }
    }

    /// Waits until nothing is to do: no task pending or running.
    pub async fn idle(&mut self) {
        while self.number_of(BUSY_SQLITE, BUSY_POSTGRES).await != 0 {
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// How many executions have completed. Reads each of them.
    pub async fn completed(&mut self) -> i64 {
        self.number("SELECT count(*) FROM tasks WHERE parent IS NULL AND state = 'completed'").await
    }
}

/// A connection with Stent's settings.
pub async fn sqlite(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(Duration::from_secs(10));
    options.connect().await.unwrap()
}

/// A connection with Stent's settings: the planner believes new tables to be small, and would read them whole.
pub async fn postgres(url: &str, schema: &str) -> Client {
    let mut config = Config::from_str(url).unwrap();
    config.options(format!("-c search_path={schema} -c enable_seqscan=off -c enable_bitmapscan=off -c jit=off"));
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
