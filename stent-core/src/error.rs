//! Trouble in a backend: what kind, in which operation, from which source.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// What kind of trouble.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The database cannot be reached, or the connection broke; the write may or may not have happened.
    Unavailable,
    /// Another writer held the database for longer than the configured timeout.
    Busy,
    /// The disk or quota is full.
    Full,
    /// The database accepts no writes at present.
    ReadOnly,
    /// A row cannot be read; it concerns this row alone.
    CorruptRow {
        /// The table.
        table: &'static str,
        /// The row's key, as text.
        row: String,
        /// The column.
        column: &'static str,
    },
    /// The database file or its pages are damaged.
    Corrupt,
    /// The schema is of a version that this program does not know.
    SchemaMismatch {
        /// The version found; 0 if there is none.
        found: u32,
        /// The version this program needs.
        supported: u32,
    },
    /// The database belongs to another program.
    NotStent,
    /// A value that the caller gave breaks a rule of the trait.
    Invalid,
    /// The settings or the environment cannot hold what the backend promises.
    Unsupported,
    /// The backend was closed.
    Closed,
    /// A statement failed in a way that the backend does not foresee: a defect.
    Internal,
}

/// Trouble in a backend. Cheap to clone, so that one failed write can answer all that rode in it.
#[derive(Clone)]
pub struct BackendError {
    kind: ErrorKind,
    operation: &'static str,
    message: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl BackendError {
    /// Trouble of this kind in this operation.
    #[must_use]
    pub fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, message: None, source: None }
    }

    /// Adds a sentence that names the thing, the limit and what to do. It must hold no payload and no secret.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into().into());
        self
    }

    /// Adds the error below.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What kind of trouble.
    #[must_use]
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The trait method in which it happened.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// True if the same call may succeed later: an outage, which uses up no attempt (C-Y4).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Busy | ErrorKind::Full | ErrorKind::ReadOnly)
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.operation)?;
        match (&self.kind, &self.message) {
            (ErrorKind::CorruptRow { table, row, column }, _) => {
                write!(f, "row {row} of table {table} cannot be read: column {column}")
            }
            (ErrorKind::SchemaMismatch { found, supported }, None) => {
                write!(f, "the database has schema version {found}, this program needs version {supported}")
            }
            (_, Some(message)) => f.write_str(message),
            (ErrorKind::Unavailable, None) => f.write_str("the database cannot be reached"),
            (ErrorKind::Busy, None) => f.write_str("the database is held by another writer"),
            (ErrorKind::Full, None) => f.write_str("the disk is full"),
            (ErrorKind::ReadOnly, None) => f.write_str("the database accepts no writes"),
            (ErrorKind::Corrupt, None) => f.write_str("the database is damaged; restore it from a backup"),
            (ErrorKind::NotStent, None) => f.write_str("this is not a Stent database"),
            (ErrorKind::Invalid, None) => f.write_str("invalid value"),
            (ErrorKind::Unsupported, None) => f.write_str("unsupported settings"),
            (ErrorKind::Closed, None) => f.write_str("the backend is closed"),
            (ErrorKind::Internal, None) => f.write_str("unexpected database error"),
        }
    }
}

impl fmt::Debug for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendError")
            .field("kind", &self.kind)
            .field("operation", &self.operation)
            .field("message", &self.message)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
