//! The schema: numbered migrations that never change, applied once each.

use std::time::Duration;

use sqlx::sqlite::SqliteConnection;
use stent_core::error::{BackendError, ErrorKind};

use crate::error::During;
use crate::transaction::{begin, commit, roll_back};

/// "Stnt". A file that bears it is ours; one that bears nothing and holds nothing may become ours.
const APPLICATION: i64 = 0x5374_6e74;

/// By their order: the first leads to version 1. Each sets `user_version`, the first `application_id`, within its transaction.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_initial.sql")];

/// The version that this program needs.
pub(crate) const LATEST: u32 = 1;

/// The schema's version; 0 if the file is empty.
pub(crate) async fn look(connection: &mut SqliteConnection, operation: &'static str) -> Result<u32, BackendError> {
    let (application, version, objects): (i64, i64, i64) =
        sqlx::query_as(include_str!("../sql/maintain/look.sql")).fetch_one(&mut *connection).await.during(operation)?;
    let version = u32::try_from(version).unwrap_or(u32::MAX);
    match application {
        APPLICATION if (1..=LATEST).contains(&version) => {
            if version == LATEST {
                let missing = include_str!("../sql/maintain/missing.sql");
                let missing: Option<String> =
                    sqlx::query_scalar(missing).fetch_one(connection).await.during(operation)?;
                if let Some(tables) = &missing {
                    return Err(not_whole(operation, version, tables));
                }
            }
            Ok(version)
        }
        // A version that is missing from a file of ours does not make it empty.
        APPLICATION => Err(mismatch(operation, version)),
        0 if version == 0 && objects == 0 => Ok(0),
        _ => Err(BackendError::new(ErrorKind::NotStent, operation)),
    }
}

/// Brings the schema to [`LATEST`]; each migration is a transaction that looks again, so that concurrent callers apply it once.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    patience: Duration,
    operation: &'static str,
) -> Result<(), BackendError> {
    for (version, migration) in (1..).zip(MIGRATIONS) {
        begin(connection, patience, operation).await?;
        let applied = apply(connection, version, migration, operation).await;
        let ended = match applied {
            Ok(()) => commit(connection, operation).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            roll_back(connection, operation).await?;
            return Err(error);
        }
    }
    Ok(())
}

async fn apply(
    connection: &mut SqliteConnection,
    version: u32,
    migration: &'static str,
    operation: &'static str,
) -> Result<(), BackendError> {
    if look(connection, operation).await? >= version {
        return Ok(());
    }
    sqlx::raw_sql(migration).execute(&mut *connection).await.during(operation)?;
    if look(connection, operation).await? == version {
        return Ok(());
    }
    Err(BackendError::new(ErrorKind::Internal, operation).with_message("a migration did not set its version"))
}

/// The schema is of another version than this program needs.
pub(crate) fn mismatch(operation: &'static str, found: u32) -> BackendError {
    BackendError::new(ErrorKind::SchemaMismatch { found, supported: LATEST }, operation)
}

/// What a copy is that lost tables. It is not filled up: nobody knows what else it lost.
fn not_whole(operation: &'static str, version: u32, tables: &str) -> BackendError {
    let text = format!(
        "the database has schema version {version} without its tables {tables}: restore all of it from a backup"
    );
    mismatch(operation, version).with_message(text)
}
