//! What can be chosen when a database file is opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stent_core::error::{BackendError, ErrorKind};

use crate::SqliteBackend;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synchronous {
    /// Until it is on the disk: what was answered survives a loss of power. The default.
    #[default]
    Full,
    /// Until the operating system has it: a crash of the program loses nothing, a loss of power may undo the last commits.
    Normal,
}

/// How a database file is opened.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) path: PathBuf,
    pub(crate) create: bool,
    pub(crate) migrate: bool,
    pub(crate) synchronous: Synchronous,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: u32,
}

impl SqliteOptions {
    /// The defaults for this file: it is made if it is missing, its schema is brought up to date, commits are durable.
    #[must_use]
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            create: true,
            migrate: true,
            synchronous: Synchronous::Full,
            // Longer than any transaction of this backend, shorter than a lease.
            busy_timeout: Duration::from_secs(5),
            // Readers never block each other or the writer; past the cores of a machine more of them only hold memory.
            readers: 4,
        }
    }

    /// Whether to make the file if it is missing. Default: true.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Whether to bring an older schema, or an empty file, up to date; otherwise it is refused. Default: true.
    #[must_use]
    pub fn migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// What a commit waits for. Default: [`Synchronous::Full`].
    #[must_use]
    pub fn synchronous(mut self, synchronous: Synchronous) -> Self {
        self.synchronous = synchronous;
        self
    }

    /// How long to wait for another process that writes, up to an hour, before answering `Busy`. Default: 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(Duration::from_secs(3_600));
        self
    }

    /// How many connections read at once, 1 to 64. Default: 4.
    #[must_use]
    pub fn readers(mut self, readers: u32) -> Self {
        self.readers = readers.clamp(1, 64);
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// [`BackendError`] that names the path: `Invalid` if it cannot be a database's, `NotStent` if the file is another program's, `SchemaMismatch` if
    /// its schema is newer than this program, `Unsupported` if SQLite or the file system cannot hold what is promised. In all these cases nothing was changed.
    pub async fn open(self) -> Result<SqliteBackend, BackendError> {
        SqliteBackend::open_with(self).await
    }
}

/// Refuses a directory in which everybody may put another file in the place of ours, or beside it as its WAL. One with the sticky bit, like `/tmp`, lets
/// only owners do so.
#[cfg(unix)]
pub(crate) fn check_directory(path: &Path) -> Result<(), BackendError> {
    use std::os::unix::fs::PermissionsExt;
    const EVERYBODY: u32 = 0o0002;
    const STICKY: u32 = 0o1000;
    let Some(directory) = path.parent() else { return Ok(()) };
    // What is no directory is told of where the file is looked for.
    let mode = std::fs::metadata(directory).map_or(0, |metadata| metadata.permissions().mode());
    if mode & EVERYBODY == 0 || mode & STICKY != 0 {
        return Ok(());
    }
    let directory = directory.display();
    let text =
        format!("everybody may write to the directory {directory}, and replace the database: `chmod o-w {directory}`");
    Err(BackendError::new(ErrorKind::Unsupported, "open").with_message(text))
}

#[cfg(not(unix))]
pub(crate) fn check_directory(_: &Path) -> Result<(), BackendError> {
    Ok(())
}
