//! The backend: the database, and who listens to what happens in it.

use std::fmt;
use std::sync::Arc;

use stent_core::backend::{HasWakeUps, Hint, WakeUps};
use stent_core::error::BackendError;

use crate::connection::Database;
use crate::listen::Hints;
use crate::options::{Pooler, PostgresOptions};

/// Stent's storage in one schema of a PostgreSQL database. Cheap to clone; all clones share a pool.
#[derive(Clone)]
pub struct PostgresBackend {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    hints: Hints,
}

impl PostgresBackend {
    /// Opens a database with the defaults of [`PostgresOptions`]: makes the schema if it is missing, and brings it up to date.
    ///
    /// # Errors
    /// Those of [`PostgresOptions::open`].
    pub async fn open(url: impl Into<String>) -> Result<Self, BackendError> {
        PostgresOptions::new(url).open().await
    }

    pub(crate) async fn open_with(options: PostgresOptions) -> Result<Self, BackendError> {
        let database = Database::open(&options).await?;
        // A listener would listen on a connection that the pooler gives to others.
        let hints = Hints::new(&database, options.hints && options.pooler == Pooler::None);
        Ok(Self { shared: Arc::new(Shared { database, hints }) })
    }

    /// Closes the connections, for all clones; what is called afterwards is answered `Closed`.
    pub async fn close(&self) {
        self.shared.hints.close().await;
        self.shared.database.close();
    }

    pub(crate) fn database(&self) -> &Database {
        &self.shared.database
    }

    /// How listeners are told.
    pub(crate) fn hints(&self) -> &Hints {
        &self.shared.hints
    }

    /// Tells what was committed to those who listen.
    pub(crate) fn tell(&self, mut hints: Vec<Hint>) {
        hints.dedup();
        self.shared.hints.tell(hints);
    }
}

impl fmt::Debug for PostgresBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresBackend").field("database", &self.shared.database).finish_non_exhaustive()
    }
}

impl HasWakeUps for PostgresBackend {
    fn wake_ups(&self) -> Option<Box<dyn WakeUps>> {
        self.shared.hints.listen()
    }
}
