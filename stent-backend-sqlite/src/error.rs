//! Where SQLite's result codes become kinds of trouble: no other file reads them.

use libsqlite3_sys as codes;
use stent_core::error::{BackendError, ErrorKind};

/// Names the operation in which a statement failed.
pub(crate) trait During<T> {
    /// The answer, or the trouble in this operation.
    fn during(self, operation: &'static str) -> Result<T, BackendError>;
}

impl<T> During<T> for Result<T, sqlx::Error> {
    fn during(self, operation: &'static str) -> Result<T, BackendError> {
        self.map_err(|error| trouble(operation, error))
    }
}

/// The trouble that this error is.
pub(crate) fn trouble(operation: &'static str, error: sqlx::Error) -> BackendError {
    let kind = match &error {
        sqlx::Error::Database(database) => kind_of(database.code().as_deref().unwrap_or_default()),
        sqlx::Error::WorkerCrashed | sqlx::Error::Io(_) => ErrorKind::Unavailable,
        _ => ErrorKind::Internal,
    };
    BackendError::new(kind, operation).with_source(error)
}

/// True after trouble that lies with the connection or the machine below it: what the connection holds in memory is no longer to
/// be trusted.
pub(crate) fn ends_connection(error: &BackendError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unavailable | ErrorKind::Full | ErrorKind::ReadOnly | ErrorKind::Corrupt | ErrorKind::NotStent
    )
}

fn kind_of(code: &str) -> ErrorKind {
    // The low byte is the primary code; the rest says more precisely where it happened.
    match code.parse::<i32>().unwrap_or_default() & 0xff {
        codes::SQLITE_BUSY | codes::SQLITE_LOCKED => ErrorKind::Busy,
        codes::SQLITE_FULL => ErrorKind::Full,
        codes::SQLITE_READONLY => ErrorKind::ReadOnly,
        codes::SQLITE_CORRUPT => ErrorKind::Corrupt,
        codes::SQLITE_NOTADB => ErrorKind::NotStent,
        codes::SQLITE_IOERR | codes::SQLITE_CANTOPEN | codes::SQLITE_PERM | codes::SQLITE_PROTOCOL => {
            ErrorKind::Unavailable
        }
        codes::SQLITE_TOOBIG => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_codes_are_of_their_primary_codes_kind() {
        assert_eq!(kind_of(&codes::SQLITE_BUSY_SNAPSHOT.to_string()), ErrorKind::Busy);
        assert_eq!(kind_of(&codes::SQLITE_IOERR_FSYNC.to_string()), ErrorKind::Unavailable);
        assert_eq!(kind_of(&codes::SQLITE_READONLY_DBMOVED.to_string()), ErrorKind::ReadOnly);
        assert_eq!(kind_of(&codes::SQLITE_CONSTRAINT_CHECK.to_string()), ErrorKind::Internal);
    }
}
