//! The schema: numbered migrations that never change, applied once each, under a lock of the server's.

use deadpool_postgres::{Client, Transaction};
use stent_core::error::{BackendError, ErrorKind};
use tokio_postgres::IsolationLevel;

use crate::error::{During, is_of_rights};

/// By their order: the first leads to version 1. Each sets the version in `schema_version`.
pub(crate) const MIGRATIONS: [&str; 1] = [include_str!("../migrations/0001_initial.sql")];

/// The version that this program needs.
pub(crate) const LATEST: u32 = 1;

/// From here to its end a transaction finds our tables.
pub(crate) const ENTER: &str = include_str!("../sql/maintain/enter.sql");

/// "Stnt": the key of the advisory lock under which schemas are changed.
const LOCK: i64 = 0x5374_6e74;

/// READ COMMITTED, whatever the role's default is: who has waited for the lock sees what was done under it.
async fn begin(client: &mut Client) -> Result<Transaction<'_>, tokio_postgres::Error> {
    client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await
}

/// The schema's version; 0 if there is no schema, or an empty one.
pub(crate) async fn look(client: &mut Client, schema: &str, operation: &'static str) -> Result<u32, BackendError> {
    let transaction = begin(client).await.during(operation)?;
    let found = version(&transaction, schema, operation).await.map_err(|error| say_right(error, schema))?;
    transaction.commit().await.during(operation)?;
    Ok(found)
}

/// Says what is to be done if the user lacks a right.
fn say_right(error: BackendError, schema: &str) -> BackendError {
    if is_of_rights(&error) { with_right(error, schema) } else { error }
}

fn with_right(error: BackendError, schema: &str) -> BackendError {
    error.with_message(format!(
        "the user's rights on schema {schema} do not suffice: it must own the schema, or have USAGE on it and all rights on its tables; if there is none, \
         it must have CREATE on the database, or be given one by CREATE SCHEMA {schema} AUTHORIZATION"
    ))
}

async fn version(transaction: &Transaction<'_>, schema: &str, operation: &'static str) -> Result<u32, BackendError> {
    let look = include_str!("../sql/maintain/look.sql");
    let found = transaction.query_one(look, &[&schema]).await.during(operation)?;
    let (objects, is_ours, is_open): (i64, bool, bool) = (found.get(0), found.get(1), found.get(2));
    let encoding: String = found.get(3);
    if encoding != "UTF8" {
        // SQL_ASCII takes any bytes, and others refuse some characters.
        let text = format!(
            "the database has the encoding {encoding}; make one by CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        );
        return Err(BackendError::new(ErrorKind::Unsupported, operation).with_message(text));
    }
    match (objects, is_ours) {
        (0, _) => return Ok(0),
        // Its tables would not be found.
        _ if !is_open => return Err(with_right(BackendError::new(ErrorKind::Unsupported, operation), schema)),
        (_, false) => {
            let text = format!("schema {schema} holds tables of another program");
            return Err(BackendError::new(ErrorKind::NotStent, operation).with_message(text));
        }
        _ => {}
    }
    transaction.query(ENTER, &[&schema]).await.during(operation)?;
    let found = transaction.query_one(include_str!("../sql/maintain/version.sql"), &[]).await.during(operation)?;
    let found = u32::try_from(found.get::<_, i32>(0)).unwrap_or(u32::MAX);
    if !(1..=LATEST).contains(&found) {
        return Err(mismatch(operation, found));
    }
    if found == LATEST {
        let missing = transaction.query_one(include_str!("../sql/maintain/missing.sql"), &[&schema]).await;
        if let Some(tables) = missing.during(operation)?.get(0) {
            return Err(not_whole(operation, found, tables));
        }
    }
    Ok(found)
}

/// Brings the schema to [`LATEST`], in one transaction; concurrent callers wait for each other, and apply each migration once.
pub(crate) async fn migrate(client: &mut Client, schema: &str, operation: &'static str) -> Result<(), BackendError> {
    bring_up(client, schema, operation).await.map_err(|error| say_right(error, schema))
}

async fn bring_up(client: &mut Client, schema: &str, operation: &'static str) -> Result<(), BackendError> {
    let transaction = begin(client).await.during(operation)?;
    transaction.query(include_str!("../sql/maintain/lock.sql"), &[&LOCK]).await.during(operation)?;
    let found = version(&transaction, schema, operation).await?;
    let schema_is =
        transaction.query_one(include_str!("../sql/maintain/schema.sql"), &[&schema]).await.during(operation)?;
    let (is_there, is_free): (bool, bool) = (schema_is.get(0), schema_is.get(1));
    if found < LATEST && !is_free {
        return Err(with_right(BackendError::new(ErrorKind::Unsupported, operation), schema));
    }
    // Even `IF NOT EXISTS` asks for the right to create one.
    if !is_there {
        // The schema's name was checked: it is a plain word.
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await.during(operation)?;
    }
    transaction.query(ENTER, &[&schema]).await.during(operation)?;
    for (version, migration) in (1..).zip(MIGRATIONS) {
        if version > found {
            transaction.batch_execute(migration).await.during(operation)?;
        }
    }
    if version(&transaction, schema, operation).await? != LATEST {
        let text = "a migration did not set its version";
        return Err(BackendError::new(ErrorKind::Internal, operation).with_message(text));
    }
    transaction.commit().await.during(operation)
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
