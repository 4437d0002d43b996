//! Connections: what a file must be before it is touched, how it is opened, and the pool of readers.
//!
//! The file is never opened but by SQLite: closing any other descriptor of it would drop the locks that SQLite's connections of
//! this process hold on it (a rule of POSIX locks), and another process could then damage it.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};
use stent_core::error::{BackendError, ErrorKind};
use tokio::sync::Semaphore;

use crate::error::{During, ends_connection, trouble};
use crate::migrate;
use crate::options::{self, SqliteOptions, Synchronous};
use crate::transaction::commit;

const OPEN: &str = "open";

/// The first SQLite without the bug by which a WAL could be reset under a reader.
const SQLITE: (u32, u32, u32) = (3, 51, 3);

/// A database file that was found to be ours, or fit to become it.
#[derive(Debug)]
pub(crate) struct Database {
    path: PathBuf,
    identity: Identity,
    synchronous: Synchronous,
    busy_timeout: Duration,
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Writer,
    Reader,
}

/// A setting: the statement that makes it, the one that reads it back, and what that must answer.
type Setting = (&'static str, &'static str, &'static str);

const SETTINGS: [Setting; 7] = [
    ("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", "wal"),
    ("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys", "1"),
    // What stands in the file, a function in an index say, runs only if it is known to be harmless.
    ("PRAGMA trusted_schema = OFF", "PRAGMA trusted_schema", "0"),
    ("PRAGMA cell_size_check = ON", "PRAGMA cell_size_check", "1"),
    // After a burst the WAL shrinks to this again.
    ("PRAGMA journal_size_limit = 67108864", "PRAGMA journal_size_limit", "67108864"),
    ("PRAGMA temp_store = MEMORY", "PRAGMA temp_store", "2"),
    // 16 MiB of WAL between checkpoints: a page that is changed often is copied back once, not every 4 MiB.
    ("PRAGMA wal_autocheckpoint = 4000", "PRAGMA wal_autocheckpoint", "4000"),
];
const FULL: Setting = ("PRAGMA synchronous = FULL", "PRAGMA synchronous", "2");
const NORMAL: Setting = ("PRAGMA synchronous = NORMAL", "PRAGMA synchronous", "1");
// Interior pages, and the leaves where open tasks are. Not more: a commit that has split a page goes through the whole cache (SQLite moves pages
// by way of a page number beyond the file, and forgets what is beyond it), 0.4 ms with 64 MiB.
const WRITER_CACHE: Setting = ("PRAGMA cache_size = -16384", "PRAGMA cache_size", "-16384");
const READER_CACHE: Setting = ("PRAGMA cache_size = -8192", "PRAGMA cache_size", "-8192");
const READS_ONLY: Setting = ("PRAGMA query_only = ON", "PRAGMA query_only", "1");
// The writer waits for its turn itself, in shorter steps than SQLite's busy handler: see `transaction::begin`.
const NO_PATIENCE: Setting = ("PRAGMA busy_timeout = 0", "PRAGMA busy_timeout", "0");

impl Database {
    /// Finds or makes the file, looks at it without changing it, and brings its schema up to date if that is wanted.
    pub(crate) async fn open(options: &SqliteOptions) -> Result<Self, BackendError> {
        let path = std::path::absolute(&options.path).map_err(|error| unusable(&options.path, &error))?;
        options::check_directory(&path)?;
        let is_empty = find_or_make(&path, options.create)?;
        let database = Self {
            identity: Identity::of(&path).map_err(|error| unusable(&path, &error))?,
            path,
            synchronous: options.synchronous,
            busy_timeout: options.busy_timeout,
        };
        let found = if is_empty { 0 } else { database.look().await? };
        // SQLite would open it to read alone, make files beside it, and fail at the first write.
        may_write(&database.path).map_err(|error| unusable(&database.path, &error))?;
        if found < migrate::LATEST {
            if !options.migrate {
                return Err(migrate::mismatch(OPEN, found));
            }
            database.migrate(OPEN).await?;
        }
        Ok(database)
    }

    /// True if this path leads to the file.
    pub(crate) fn is_file(&self, path: &Path) -> bool {
        let same_place = || Some(fs::canonicalize(path).ok()? == fs::canonicalize(&self.path).ok()?);
        Identity::of(path).is_ok_and(|identity| identity == self.identity) && (cfg!(unix) || same_place() == Some(true))
    }

    /// How long to wait for other writers.
    pub(crate) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// The schema's version. A connection that only reads finds it, so that another program's file stays as it is.
    ///
    /// Where nobody has the file open, and nobody died over it, it is read as if nothing could change it: any other connection to a
    /// database in WAL mode makes a WAL and an index of it, and one that only reads cannot take them away again.
    async fn look(&self) -> Result<u32, BackendError> {
        if self.is_at_rest() {
            let found = self.look_by(self.options().read_only(true).immutable(true)).await;
            // Unless somebody came meanwhile, and the look fell among his writes.
            if self.is_at_rest() {
                return found;
            }
        }
        self.look_by(self.options().read_only(true)).await
    }

    /// True if no WAL and no journal stand beside the file.
    fn is_at_rest(&self) -> bool {
        ["-wal", "-journal"].iter().all(|suffix| {
            let mut beside = self.path.clone().into_os_string();
            beside.push(suffix);
            !Path::new(&beside).exists()
        })
    }

    async fn look_by(&self, options: SqliteConnectOptions) -> Result<u32, BackendError> {
        let mut connection = options.connect().await.map_err(|error| self.name(trouble(OPEN, error)))?;
        let found = migrate::look(&mut connection, OPEN).await.map_err(|error| self.name(error));
        close(connection).await;
        found
    }

    /// Brings the schema to the version that this program needs, on a connection of its own.
    pub(crate) async fn migrate(&self, operation: &'static str) -> Result<(), BackendError> {
        let mut connection = self.connect(Role::Writer, operation).await?;
        let migrated = migrate::migrate(&mut connection, self.busy_timeout, operation).await;
        close(connection).await;
        migrated.map_err(|error| self.name(error))
    }

    /// What a commit waits for, unless it need not last.
    pub(crate) fn synchronous(&self) -> Synchronous {
        self.synchronous
    }

    /// A connection with all its settings, each read back.
    pub(crate) async fn connect(&self, role: Role, operation: &'static str) -> Result<SqliteConnection, BackendError> {
        self.check_identity(operation)?;
        let connected = self.options().connect().await.during(operation);
        let mut connection = connected.map_err(|error| self.name(error))?;
        let ready = self.prepare(&mut connection, role, operation).await;
        ready.map_err(|error| self.name(error)).map(|()| connection)
    }

    async fn prepare(
        &self,
        connection: &mut SqliteConnection,
        role: Role,
        operation: &'static str,
    ) -> Result<(), BackendError> {
        check_version(connection, operation).await?;
        let of_role: &[Setting] = match role {
            Role::Writer => &[WRITER_CACHE, NO_PATIENCE],
            Role::Reader => &[READER_CACHE, READS_ONLY],
        };
        for setting in SETTINGS.into_iter().chain([what_is(self.synchronous)]).chain(of_role.iter().copied()) {
            set(connection, setting, operation).await?;
        }
        Ok(())
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(false)
            .busy_timeout(self.busy_timeout)
            .statement_cache_capacity(256)
            .row_buffer_size(1_024)
            .disable_statement_logging()
    }

    /// Refuses to go on with a file that was moved, replaced or deleted while it was open: writes to it would be lost, and another in its
    /// place knows nothing of what this process holds.
    pub(crate) fn check_identity(&self, operation: &'static str) -> Result<(), BackendError> {
        if Identity::of(&self.path).is_ok_and(|identity| identity == self.identity) {
            return Ok(());
        }
        let path = self.path.display();
        let text = format!("{path} is no longer the file that was opened; put it back, or restart the program");
        Err(BackendError::new(ErrorKind::Unavailable, operation).with_message(text))
    }

    /// The same trouble with the path in its text.
    fn name(&self, error: BackendError) -> BackendError {
        if matches!(error.kind(), ErrorKind::SchemaMismatch { .. }) {
            return error;
        }
        let text = error.to_string();
        let text = text.strip_prefix(error.operation()).and_then(|text| text.strip_prefix(": ")).unwrap_or(&text);
        let text = format!("{}: {text}", self.path.display());
        BackendError::new(error.kind().clone(), error.operation()).with_message(text).with_source(error)
    }
}

fn what_is(synchronous: Synchronous) -> Setting {
    match synchronous {
        Synchronous::Full => FULL,
        Synchronous::Normal => NORMAL,
    }
}

/// Has commits wait for this, from the next transaction on.
pub(crate) async fn synchronize(
    connection: &mut SqliteConnection,
    synchronous: Synchronous,
    operation: &'static str,
) -> Result<(), BackendError> {
    set(connection, what_is(synchronous), operation).await
}

/// Closes a connection; a failure to do so harms nobody.
pub(crate) async fn close(connection: SqliteConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing a connection");
    }
}

async fn set(
    connection: &mut SqliteConnection,
    (make, read, expected): Setting,
    operation: &'static str,
) -> Result<(), BackendError> {
    sqlx::query(make).execute(&mut *connection).await.during(operation)?;
    let row = sqlx::query(read).fetch_one(connection).await.during(operation)?;
    let found = row.try_get::<String, _>(0).or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()));
    if found.as_deref().is_ok_and(|found| found == expected) {
        return Ok(());
    }
    let text = format!("`{make}` did not take effect: it is {}", found.as_deref().unwrap_or("unknown"));
    Err(BackendError::new(ErrorKind::Unsupported, operation).with_message(text))
}

async fn check_version(connection: &mut SqliteConnection, operation: &'static str) -> Result<(), BackendError> {
    let version: String =
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(connection).await.during(operation)?;
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) >= SQLITE {
        return Ok(());
    }
    let (major, minor, patch) = SQLITE;
    let text = format!("SQLite {version} is too old: {major}.{minor}.{patch} or newer is needed");
    Err(BackendError::new(ErrorKind::Unsupported, operation).with_message(text))
}

/// Makes the file, readable by its owner alone, if it is missing and may be made; true if it is empty.
pub(crate) fn find_or_make(path: &Path, create: bool) -> Result<bool, BackendError> {
    // Held until the new file is closed: see the module's note on locks.
    static MAKING: Mutex<()> = Mutex::new(());
    let making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let invalid = |text: String| {
        Err(BackendError::new(ErrorKind::Invalid, OPEN).with_message(format!("{}: {text}", path.display())))
    };
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => invalid("not a file".into()),
        Ok(metadata) => Ok(metadata.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let directory = path.parent().unwrap_or(path);
            if !directory.is_dir() {
                return invalid(format!("the directory {} does not exist", directory.display()));
            }
            if !create {
                return invalid("the file does not exist".into());
            }
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let made = options.open(path).map(drop);
            drop(making);
            match made {
                // Another process was faster, and may have written already.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
                made => made.map(|()| true).map_err(|error| unusable(path, &error)),
            }
        }
        Err(error) => Err(unusable(path, &error)),
    }
}

/// Whether the file may be written, asked without opening it.
#[cfg(unix)]
fn may_write(path: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)?)
}

#[cfg(not(unix))]
fn may_write(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.permissions().readonly() {
        true => Err(io::ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

pub(crate) fn unusable(path: &Path, error: &io::Error) -> BackendError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::ReadOnly,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => ErrorKind::Invalid,
        _ => ErrorKind::Unavailable,
    };
    BackendError::new(kind, OPEN).with_message(format!("{}: {error}", path.display()))
}

/// Which file a path leads to.
#[derive(Debug, PartialEq, Eq)]
struct Identity(Option<(u64, u64)>);

impl Identity {
    #[cfg(unix)]
    fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map(|metadata| Self(Some((metadata.dev(), metadata.ino()))))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(None))
    }
}

/// Connections that read, opened when they are needed first.
pub(crate) struct Readers {
    database: Arc<Database>,
    permits: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(crate) fn new(database: Arc<Database>, readers: u32) -> Self {
        let permits = Semaphore::new(usize::try_from(readers).unwrap_or(1));
        Self { database, permits, idle: Mutex::default() }
    }

    /// Runs a read on one of them. A connection whose read was given up half-way is not used again.
    pub(crate) async fn read<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send,
    {
        let closed = |_| BackendError::new(ErrorKind::Closed, operation);
        let _permit = self.permits.acquire().await.map_err(closed)?;
        let idle = self.idle().pop();
        let mut connection = match idle {
            Some(connection) => {
                self.database.check_identity(operation)?;
                connection
            }
            None => self.database.connect(Role::Reader, operation).await?,
        };
        let answer = job(&mut connection).await;
        if !answer.as_ref().is_err_and(ends_connection) && !self.permits.is_closed() {
            self.idle().push(connection);
        }
        answer
    }

    /// Runs reads in one transaction.
    pub(crate) async fn read_together<T, F>(&self, operation: &'static str, job: F) -> Result<T, BackendError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> BoxFuture<'c, Result<T, BackendError>> + Send + 'static,
    {
        self.read(operation, move |connection| {
            Box::pin(async move {
                sqlx::query("BEGIN").execute(&mut *connection).await.during(operation)?;
                let answer = job(&mut *connection).await;
                commit(connection, operation).await?;
                answer
            })
        })
        .await
    }

    /// Lets no more reads begin.
    pub(crate) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            close(connection).await;
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<SqliteConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
