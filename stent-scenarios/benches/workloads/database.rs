//! The databases that are measured: a new store of each, where it is, and a look at it from the side.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use stent_backend_postgres::PostgresOptions;
use stent_backend_sqlite::{SqliteBackend, SqliteOptions};
use stent_core::Backend;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub(crate) use stent_scenarios::probe::{self, Probe};

/// Where a PostgreSQL server is named, as for tests.
const URL: &str = "STENT_TEST_POSTGRES_URL";
/// What Stent calls its schema.
pub(crate) const SCHEMA: &str = "stent";
/// What has to be on, so that a commit of PostgreSQL is one.
const DURABLE: [&str; 3] = ["fsync", "synchronous_commit", "full_page_writes"];

/// A database, as users have it: at full durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
    Postgres,
}

/// A store of its own: a file, or a database of the server.
pub(crate) struct Store {
    pub(crate) place: Place,
    /// What the file lies in.
    folder: Option<TempDir>,
}

/// Where a store is, in words that another process understands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres(String),
}

impl Database {
    /// All that can be reached.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Sqlite];
        if std::env::var(URL).is_ok_and(|url| !url.is_empty()) {
            all.push(Self::Postgres);
        }
        all
    }

    /// An empty store.
    pub(crate) async fn store(self) -> Store {
        let store = match self {
            Self::Sqlite => {
                // On a disk: what is in memory syncs nothing.
                let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
                Store { place: Place::Sqlite(folder.path().join("stent.db")), folder: Some(folder) }
            }
            Self::Postgres => {
                let name = format!("bench_{}", uuid::Uuid::new_v4().simple());
                server().await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
                Store { place: Place::Postgres(named(&std::env::var(URL).unwrap(), &name).1), folder: None }
            }
        };
        // The tables, for whoever comes without Stent.
        store.place.backend().await;
        store
    }

    /// An error if the server does not sync what it commits: its figures would mean nothing.
    pub(crate) async fn check(self) -> Result<(), String> {
        if self == Self::Sqlite {
            return Ok(());
        }
        let server = server().await;
        for setting in DURABLE {
            let value: String = server.query_one(&format!("SHOW {setting}"), &[]).await.unwrap().get(0);
            if value != "on" {
                return Err(format!("the server that {URL} names has {setting} {value}: it has to be on"));
            }
        }
        Ok(())
    }
}

impl Store {
    /// Takes it away.
    pub(crate) async fn close(self) {
        match self.place {
            Place::Sqlite(_) => drop(self.folder),
            Place::Postgres(url) => {
                let (name, _) = named(&url, "");
                server().await.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            }
        }
    }
}

impl Place {
    /// Stent's way to it.
    pub(crate) async fn backend(&self) -> Arc<dyn Backend> {
        match self {
            Self::Sqlite(file) => {
                let backend: SqliteBackend = SqliteOptions::new(file).open().await.unwrap();
                Arc::new(backend)
            }
            Self::Postgres(url) => Arc::new(PostgresOptions::new(url).open().await.unwrap()),
        }
    }

    /// A connection beside it.
    pub(crate) async fn probe(&self) -> Probe {
        match self {
            Self::Sqlite(file) => Probe::sqlite(file).await,
            Self::Postgres(url) => Probe::postgres(url, SCHEMA).await,
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        })
    }
}

/// A connection to the server's own database.
async fn server() -> Client {
    let (client, connection) = tokio_postgres::connect(&std::env::var(URL).unwrap(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The database that a URL names, and the URL with another one.
fn named(url: &str, name: &str) -> (String, String) {
    let (path, options) = url.split_once('?').map_or((url, String::new()), |(path, rest)| (path, format!("?{rest}")));
    let (server, old) = path.rsplit_once('/').unwrap();
    (old.to_owned(), format!("{server}/{name}{options}"))
}
