//! The schema: numbered migrations that never change, applied once each, under a lock of the server's.

use deadpool_postgres::Client;
use stent_core::error::{BackendError, ErrorKind};

use crate::error::During;

/// By their order: the first leads to version 1. Each sets the version in `schema_version`.
const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_initial.sql")];

/// The version that this program needs.
pub(crate) const LATEST: u32 = 1;

/// "Stnt": the key of the advisory lock under which schemas are changed.
const LOCK: i64 = 0x5374_6e74;

/// The schema's version; 0 if there is no schema, or an empty one.
pub(crate) async fn look(client: &Client, schema: &str, operation: &'static str) -> Result<u32, BackendError> {
    let found = client.query_one(include_str!("../sql/maintain/look.sql"), &[&schema]).await.during(operation)?;
    let (objects, is_ours): (i64, bool) = (found.get(0), found.get(1));
    match (objects, is_ours) {
        (0, _) => return Ok(0),
        (_, false) => {
            let text = format!("schema {schema} holds tables of another program");
            return Err(BackendError::new(ErrorKind::NotStent, operation).with_message(text));
        }
        _ => {}
    }
    // The schema's name was checked; it stands for itself in no other statement.
    let version = client.query_one(&format!("SELECT version FROM {schema}.schema_version"), &[]).await.during(operation)?;
    let version = u32::try_from(version.get::<_, i32>(0)).unwrap_or(u32::MAX);
    if (1..=LATEST).contains(&version) { Ok(version) } else { Err(mismatch(operation, version)) }
}

/// Brings the schema to [`LATEST`], in one transaction; concurrent callers wait for each other, and apply each migration once.
pub(crate) async fn migrate(client: &mut Client, schema: &str, operation: &'static str) -> Result<(), BackendError> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await.during(operation)?;
    let migrated = apply(client, schema, operation).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await.during(operation)?;
    migrated
}

async fn apply(client: &mut Client, schema: &str, operation: &'static str) -> Result<(), BackendError> {
    let found = look(client, schema, operation).await?;
    let transaction = client.transaction().await.during(operation)?;
    let enter = format!("CREATE SCHEMA IF NOT EXISTS {schema}; SET LOCAL search_path TO {schema}");
    transaction.batch_execute(&enter).await.during(operation)?;
    for (version, migration) in (1..).zip(MIGRATIONS) {
        if version > found {
            transaction.batch_execute(migration).await.during(operation)?;
        }
    }
    transaction.commit().await.during(operation)?;
    match look(client, schema, operation).await? {
        LATEST => Ok(()),
        _ => Err(BackendError::new(ErrorKind::Internal, operation).with_message("a migration did not set its version")),
    }
}

/// The schema is of another version than this program needs.
pub(crate) fn mismatch(operation: &'static str, found: u32) -> BackendError {
    BackendError::new(ErrorKind::SchemaMismatch { found, supported: LATEST }, operation)
}
