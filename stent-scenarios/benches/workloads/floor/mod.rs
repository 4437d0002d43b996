//! What the raw database does: hand-written SQL on Stent's own tables with Stent's indexes, the same columns filled, in large batches.

mod postgres;
mod sqlite;

use std::time::Duration;

use crate::database::{Place, Store};
use crate::setup::Setup;
use postgres::PostgresFloor;
use sqlite::SqliteFloor;

/// A store without Stent.
pub(crate) struct Floor {
    raw: Raw,
    store: Store,
}

enum Raw {
    Sqlite(SqliteFloor),
    Postgres(PostgresFloor),
}

impl Floor {
    pub(crate) async fn open(setup: &Setup) -> Self {
        let store = setup.database.store().await;
        let raw = match &store.place {
            Place::Sqlite(file) => Raw::Sqlite(SqliteFloor::open(file).await),
            Place::Postgres(url) => Raw::Postgres(PostgresFloor::open(url).await),
        };
        Self { raw, store }
    }

    /// Inserts so many tasks: 1,000 a commit on SQLite, 500 a commit on PostgreSQL.
    pub(crate) async fn insert(&mut self, count: u32) -> Duration {
        match &mut self.raw {
            Raw::Sqlite(raw) => raw.insert(count).await,
            Raw::Postgres(raw) => raw.insert(count).await,
        }
    }

    /// Claims and completes all that was inserted: 100 at a time on SQLite, 500 by each of 4 clients on PostgreSQL.
    pub(crate) async fn drain(&mut self) -> Duration {
        match &mut self.raw {
            Raw::Sqlite(raw) => raw.drain().await,
            Raw::Postgres(raw) => raw.drain().await,
        }
    }

    /// The times of commits of one row, one after the other.
    pub(crate) async fn commits(&mut self, count: u32) -> Vec<Duration> {
        match &mut self.raw {
            Raw::Sqlite(raw) => raw.commits(count).await,
            Raw::Postgres(raw) => raw.commits(count).await,
        }
    }

    /// How long so many commits of one row take: by one connection on SQLite, which has one writer; by 8 clients on PostgreSQL.
    pub(crate) async fn crowd(&mut self, count: u32) -> Duration {
        match &mut self.raw {
            Raw::Sqlite(raw) => raw.commits(count).await.iter().sum(),
            Raw::Postgres(raw) => raw.crowd(count).await,
        }
    }

    pub(crate) async fn close(self) {
        match self.raw {
            Raw::Sqlite(raw) => raw.close().await,
            Raw::Postgres(raw) => drop(raw),
        }
        self.store.close().await;
    }
}
