//! The databases that are measured: a fresh store of each, and the floor beside it.

use std::fmt;
use std::sync::Arc;

use stent_backend_sqlite::{SqliteBackend, SqliteOptions};
use stent_core::Backend;
use tempfile::TempDir;

use crate::floor::SqliteFloor;

/// A database, as users have it: at full durability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Database {
    Sqlite,
}

impl Database {
    /// All that can be reached.
    pub(crate) fn all() -> Vec<Self> {
        vec![Self::Sqlite]
    }

    /// An empty store, and what keeps it.
    pub(crate) async fn store(self) -> (Arc<dyn Backend>, TempDir) {
        let folder = tempfile::tempdir_in(target()).unwrap();
        let backend: SqliteBackend = SqliteOptions::new(folder.path().join("stent.db")).open().await.unwrap();
        (Arc::new(backend), folder)
    }

    /// The raw database, with an empty table.
    pub(crate) async fn floor(self) -> SqliteFloor {
        SqliteFloor::open(tempfile::tempdir_in(target()).unwrap()).await
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sqlite")
    }
}

/// A folder on a disk: what is in memory syncs nothing.
fn target() -> &'static str {
    env!("CARGO_TARGET_TMPDIR")
}
