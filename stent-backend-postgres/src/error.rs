//! Where PostgreSQL's SQLSTATEs become kinds of trouble: no other file reads them.

use std::error::Error;
use std::fmt;

use deadpool_postgres::PoolError;
use stent_core::error::{BackendError, ErrorKind};
use tokio_postgres::error::{DbError, SqlState};

/// Names the operation in which a statement failed.
pub(crate) trait During<T> {
    /// The answer, or the trouble in this operation.
    fn during(self, operation: &'static str) -> Result<T, BackendError>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, operation: &'static str) -> Result<T, BackendError> {
        self.map_err(|error| trouble(operation, error))
    }
}

impl<T> During<T> for Result<T, PoolError> {
    fn during(self, operation: &'static str) -> Result<T, BackendError> {
        self.map_err(|error| match error {
            PoolError::Backend(error) => trouble(operation, error),
            PoolError::Closed => BackendError::new(ErrorKind::Closed, operation),
            error => BackendError::new(ErrorKind::Unavailable, operation).with_source(error),
        })
    }
}

/// The trouble that this error is.
pub(crate) fn trouble(operation: &'static str, error: tokio_postgres::Error) -> BackendError {
    let kind = match error.code() {
        Some(code) => kind_of(code),
        // Without a code it is the connection's: refused, broken, closed. What remains is a value that does not fit its column.
        None if is_of_the_program(&error) => ErrorKind::Internal,
        None => ErrorKind::Unavailable,
    };
    match error.as_db_error() {
        Some(said) => BackendError::new(kind, operation).with_source(Said::of(said)),
        None => BackendError::new(kind, operation).with_source(error),
    }
}

/// What the server said of a failed statement. Its details, hints and contexts are left out: they quote rows and values, which may be users' payloads.
#[derive(Debug)]
struct Said {
    message: String,
    code: String,
    table: Option<String>,
    column: Option<String>,
    constraint: Option<String>,
}

impl Said {
    fn of(error: &DbError) -> Self {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Self {
            message: error.message().to_owned(),
            code: error.code().code().to_owned(),
            table: owned(error.table()),
            column: owned(error.column()),
            constraint: owned(error.constraint()),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (SQLSTATE {}", self.message, self.code)?;
        let names = [("table", &self.table), ("column", &self.column), ("constraint", &self.constraint)];
        for (what, name) in names {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        f.write_str(")")
    }
}

impl Error for Said {}

fn is_of_the_program(error: &tokio_postgres::Error) -> bool {
    let text = error.to_string();
    text.starts_with("error serializing")
        || text.starts_with("error deserializing")
        || text.contains("unexpected number of rows")
}

/// True if the same transaction may go through when it is begun again.
pub(crate) fn is_conflict(error: &BackendError) -> bool {
    *error.kind() == ErrorKind::Busy
}

/// True if the user lacks a right, or a schema that it may use.
pub(crate) fn is_of_rights(error: &BackendError) -> bool {
    let codes = [SqlState::INSUFFICIENT_PRIVILEGE, SqlState::INVALID_SCHEMA_NAME].map(|code| code.code().to_owned());
    let said = error.source().and_then(|source| source.downcast_ref::<Said>());
    said.is_some_and(|said| codes.contains(&said.code))
}

/// True if it says no more than that another statement of the transaction has failed before.
pub(crate) fn is_aftermath(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION)
}

fn kind_of(code: &SqlState) -> ErrorKind {
    if *code == SqlState::DISK_FULL {
        return ErrorKind::Full;
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return ErrorKind::ReadOnly;
    }
    if [SqlState::DATA_CORRUPTED, SqlState::INDEX_CORRUPTED].contains(code) {
        return ErrorKind::Corrupt;
    }
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        return ErrorKind::Busy;
    }
    // Ended by the server since its client was silent for too long.
    if ["25P03", "25P04"].contains(&code.code()) {
        return ErrorKind::Unavailable;
    }
    // A pooler that does not know what connections begin with, or gives a statement to a connection that did not prepare it.
    if [SqlState::PROTOCOL_VIOLATION, SqlState::INVALID_SQL_STATEMENT_NAME].contains(code) {
        return ErrorKind::Unsupported;
    }
    match &code.code()[..2] {
        // Transaction rollback: serialization failure, deadlock.
        "40" => ErrorKind::Busy,
        // Connection exception; insufficient resources; operator intervention: shutdown, terminated, still starting; system error.
        "08" | "53" | "57" | "58" => ErrorKind::Unavailable,
        // Invalid authorization; no such database or schema; no privilege.
        "28" | "3D" | "3F" => ErrorKind::Unsupported,
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => ErrorKind::Unsupported,
        _ => ErrorKind::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_of_their_kinds() {
        assert_eq!(kind_of(&SqlState::T_R_DEADLOCK_DETECTED), ErrorKind::Busy);
        assert_eq!(kind_of(&SqlState::T_R_SERIALIZATION_FAILURE), ErrorKind::Busy);
        assert_eq!(kind_of(&SqlState::ADMIN_SHUTDOWN), ErrorKind::Unavailable);
        assert_eq!(kind_of(&SqlState::CANNOT_CONNECT_NOW), ErrorKind::Unavailable);
        assert_eq!(kind_of(&SqlState::TOO_MANY_CONNECTIONS), ErrorKind::Unavailable);
        assert_eq!(kind_of(&SqlState::DISK_FULL), ErrorKind::Full);
        assert_eq!(kind_of(&SqlState::READ_ONLY_SQL_TRANSACTION), ErrorKind::ReadOnly);
        assert_eq!(kind_of(&SqlState::INVALID_PASSWORD), ErrorKind::Unsupported);
        assert_eq!(kind_of(&SqlState::CHECK_VIOLATION), ErrorKind::Internal);
        assert_eq!(kind_of(&SqlState::from_code("25P03")), ErrorKind::Unavailable);
        assert_eq!(kind_of(&SqlState::PROTOCOL_VIOLATION), ErrorKind::Unsupported);
    }
}
