//! The backend: the file, the one who writes, those who read.

use std::fmt;
use std::fs;
use std::path::{self, Path};
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;
use stent_core::backend::{HasWakeUps, Hint, WakeUps};
use stent_core::error::{BackendError, ErrorKind};
use tokio::sync::broadcast::{self, error::RecvError};

use crate::connection::{Database, Readers, Role, find_or_make, unusable};
use crate::error::During;
use crate::options::SqliteOptions;
use crate::transaction::{Hinted, Relaxed, Step, Writer};

/// Stent's storage in one SQLite file. Cheap to clone; all clones share one writer and its readers.
///
/// Other processes of the same machine, and other handles of this one, may have the same file open.
#[derive(Clone)]
pub struct SqliteBackend {
    shared: Arc<Shared>,
}

struct Shared {
    database: Arc<Database>,
    writer: Writer,
    readers: Readers,
}

impl SqliteBackend {
    /// Opens a file with the defaults of [`SqliteOptions`]: makes it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// Those of [`SqliteOptions::open`].
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, BackendError> {
        SqliteOptions::new(path).open().await
    }

    pub(crate) async fn open_with(options: SqliteOptions) -> Result<Self, BackendError> {
        let database = Arc::new(Database::open(&options).await?);
        let connection = database.connect(Role::Writer, "open").await?;
        let writer = Writer::start(Arc::clone(&database), connection)?;
        let readers = Readers::new(Arc::clone(&database), options.readers);
        Ok(Self { shared: Arc::new(Shared { database, writer, readers }) })
    }

    /// Writes what is queued and closes the connections, for all clones; what is called afterwards is answered `Closed`. Dropping the last clone
    /// does the same without waiting for it.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        self.shared.writer.close().await;
    }

    /// Copies the database, as it is at one moment, to a new file that only its owner may read, while others go on using it.
    ///
    /// # Errors
    /// [`BackendError`]: `Invalid` if there is such a file already, or it cannot be made; others as of any call.
    pub async fn backup(&self, file: impl AsRef<Path>) -> Result<(), BackendError> {
        const OPERATION: &str = "backup";
        let file = &path::absolute(&file).map_err(|error| unusable(file.as_ref(), &error))?;
        let refused = |text| BackendError::new(ErrorKind::Invalid, OPERATION).with_message(text);
        let name = file.to_str().ok_or_else(|| refused("the new file's name is not UTF-8".to_owned()))?;
        if !find_or_make(file, true)? {
            return Err(refused(format!("{name} exists and is not empty")));
        }
        // A connection of its own: readers may not write, and nobody is to wait for this.
        let mut connection = self.database().connect(Role::Writer, OPERATION).await?;
        let copied = sqlx::query(include_str!("../sql/maintain/backup.sql")).bind(name).execute(&mut connection).await;
        copied.during(OPERATION)?;
        connection.close().await.during(OPERATION)?;
        // SQLite leaves it to the system when the copy reaches the disk.
        fs::File::open(file).and_then(|file| file.sync_all()).map_err(|error| unusable(file, &error))
    }

    pub(crate) fn database(&self) -> &Database {
        &self.shared.database
    }

    /// Runs a job in a transaction that writes: see [`Writer::write`].
    pub(crate) async fn write<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send + 'static,
    {
        self.shared.writer.write(operation, job).await
    }

    /// Runs a job in a transaction that writes, and gives its hints once it is committed: see [`Writer::write_hinting`].
    pub(crate) async fn write_hinting<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Hinted<T>, BackendError>> + Send + 'static,
    {
        self.shared.writer.write_hinting(operation, job).await
    }

    /// Runs a job that may make tasks ready: see [`Writer::write_making`].
    pub(crate) async fn write_making<T, F>(
        &self,
        operation: &'static str,
        tasks: bool,
        job: F,
    ) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Hinted<T>, BackendError>> + Send + 'static,
    {
        self.shared.writer.write_making(operation, tasks, job).await
    }

    /// Runs a job in a transaction of its own, or with others: see [`Writer::write_alone`].
    pub(crate) async fn write_alone<T: Send + 'static, P: Send + Sync + 'static>(
        &self,
        operation: &'static str,
        prepared: P,
        alone: Step<P, Option<Hinted<T>>>,
        job: Step<P, Hinted<T>>,
    ) -> Result<T, BackendError> {
        self.shared.writer.write_alone(operation, prepared, alone, job).await
    }

    /// Runs a job in a transaction that need not outlive a crash of the machine: see [`Writer::write_relaxed`].
    pub(crate) async fn write_relaxed<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> Fn(&'c mut SqliteConnection) -> BoxFuture<'c, Result<Relaxed<T>, BackendError>> + Send + 'static,
    {
        self.shared.writer.write_relaxed(operation, job).await
    }

    /// Runs a read. One statement sees one state of the database; two may see two.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send,
    {
        self.shared.readers.read(operation, job).await
    }

    /// Runs reads that all see one state of the database.
    pub(crate) async fn read_together<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send + 'static,
    {
        self.shared.readers.read_together(operation, job).await
    }

    #[cfg(test)]
    pub(crate) fn listen(&self) -> broadcast::Receiver<Hint> {
        self.shared.writer.listen()
    }

    #[cfg(test)]
    pub(crate) fn transactions(&self) -> u64 {
        self.shared.writer.transactions()
    }
}

impl fmt::Debug for SqliteBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteBackend").field("database", &self.shared.database).finish_non_exhaustive()
    }
}

impl HasWakeUps for SqliteBackend {
    fn wake_ups(&self) -> Option<Box<dyn WakeUps>> {
        Some(Box::new(Listener(self.shared.writer.listen())))
    }
}

struct Listener(broadcast::Receiver<Hint>);

#[async_trait]
impl WakeUps for Listener {
    async fn next(&mut self) -> Hint {
        match self.0.recv().await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => Hint::Anything,
            // The backend is closed: nothing happens any more.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
