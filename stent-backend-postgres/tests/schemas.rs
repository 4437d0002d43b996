//! Schemas and databases that do not fit: of other versions, not whole, in another encoding.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use stent_backend_postgres::PostgresOptions;
use stent_core::backend::Maintenance;
use stent_core::error::ErrorKind;
use stent_testkit::give_up_after;

use server::Schema;

/// Opens a new schema, runs this in it, and demands that it is refused from then on, whoever would migrate it.
async fn refused(sql: &str, kind: ErrorKind, says: &str) {
    let schema = Schema::new();
    schema.options().open().await.unwrap().close().await;
    let client = schema.client().await;
    client.batch_execute(&format!("SET search_path = {}; {sql}", schema.name)).await.unwrap();
    for migrates in [true, false] {
        let error = schema.options().migrate(migrates).open().await.expect_err("it must be refused");
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains(says) && !error.to_string().contains('\n'), "{error}");
    }
}

#[tokio::test]
async fn schemas_of_other_versions_are_refused() {
    let mismatch = |found| ErrorKind::SchemaMismatch { found, supported: 1 };
    refused("UPDATE schema_version SET version = 99", mismatch(99), "version 99").await;
    refused("DELETE FROM schema_version", mismatch(0), "version 0").await;
}

/// What a dump that was not whole leaves: it is not filled up, since nobody knows what else is missing.
#[tokio::test]
async fn a_schema_that_is_not_whole_is_refused() {
    let mismatch = ErrorKind::SchemaMismatch { found: 1, supported: 1 };
    refused("DROP TABLE waits; DROP TABLE memos", mismatch.clone(), "without its tables memos, waits").await;
    let whole = Schema::new();
    whole.options().open().await.unwrap().close().await;
    // Without that one it is another program's.
    let ours = "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename <> 'schema_version'";
    for table in whole.client().await.query(ours, &[&whole.name]).await.unwrap() {
        let table: String = table.get(0);
        let says = format!("without its tables {table}:");
        refused(&format!("DROP TABLE {table} CASCADE"), mismatch.clone(), &says).await;
    }
}

#[tokio::test]
async fn a_database_in_another_encoding_is_refused() {
    let schema = Schema::new();
    let client = schema.client().await;
    let name = &schema.name;
    let make = format!("CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
    client.batch_execute(&make).await.unwrap();
    let (server, database) = schema.url.rsplit_once('/').unwrap();
    let options = database.split_once('?').map_or(String::new(), |(_, options)| format!("?{options}"));
    let error = PostgresOptions::new(format!("{server}/{name}{options}")).open().await.unwrap_err();
    client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("SQL_ASCII") && error.to_string().contains("UTF8"), "{error}");
}

/// S21, S23
#[tokio::test]
async fn a_migration_that_is_given_up_anywhere_leaves_the_version_before() {
    for polls in 1.. {
        let schema = Schema::new();
        let is_over = give_up_after(polls, schema.options().open()).await.is_some();
        let backend = schema.options().open().await.unwrap();
        assert_eq!(backend.schema_version().await.unwrap(), 1);
        if is_over {
            return assert!(polls > 3, "{polls} polls are no migration");
        }
    }
}
