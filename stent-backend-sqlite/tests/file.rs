//! The file: what is refused and left as it was, how it is made, who may share it.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod work;

use std::fs;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Executor};
use stent_backend_sqlite::{SqliteBackend, SqliteOptions};
use stent_core::backend::{Dispatch, HasWakeUps, Hint, Inspect, Maintenance};
use stent_core::commit::Dispatched;
use stent_core::error::ErrorKind;
use stent_core::execution::NewExecution;
use stent_core::task::NewTask;
use stent_core::{BackendError, ExecutionId, Payload, Timestamp};
use stent_testkit::give_up_after;
use tempfile::TempDir;
use work::task;

fn execution() -> NewExecution {
    NewExecution {
        id: ExecutionId::new(Timestamp::system_now()),
        task: NewTask { input: Payload::from(vec![1, 2, 3]), ..task() },
        max_duration: None,
        dedup: None,
        born: None,
    }
}

async fn dispatch(backend: &SqliteBackend) -> Result<NewExecution, BackendError> {
    let new = execution();
    let made = backend.dispatch(Timestamp::EPOCH, std::slice::from_ref(&new)).await?;
    assert_eq!(made, [Dispatched::Created]);
    Ok(new)
}

/// Makes a database of another program, or of another version.
async fn make(path: &Path, sql: impl Into<String>) {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute(AssertSqlSafe(sql.into())).await.unwrap();
    connection.close().await.unwrap();
}

/// That this file is refused, named in one line, and not changed.
async fn refused(path: &Path, kind: &ErrorKind) -> String {
    let before = fs::read(path).ok();
    let error = SqliteBackend::open(path).await.expect_err("it must be refused");
    assert_eq!(error.kind(), kind, "{error}");
    assert_eq!(fs::read(path).ok(), before, "a refused file is left as it was");
    let text = error.to_string();
    assert!(!text.contains('\n'));
    text
}

#[tokio::test]
async fn a_path_that_cannot_be_a_database_is_named() {
    let directory = TempDir::new().unwrap();
    let missing = directory.path().join("nowhere/stent.db");
    let text = refused(&missing, &ErrorKind::Invalid).await;
    assert!(text.contains("nowhere does not exist"), "{text}");
    assert!(!missing.exists());

    let text = refused(directory.path(), &ErrorKind::Invalid).await;
    assert!(text.contains(directory.path().to_str().unwrap()) && text.contains("not a file"), "{text}");
}

#[tokio::test]
async fn a_missing_file_is_made_only_if_that_is_wanted() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let error = SqliteOptions::new(&path).create(false).open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Invalid, "{error}");
    assert!(!path.exists());
    SqliteBackend::open(&path).await.unwrap();
    SqliteOptions::new(&path).create(false).migrate(false).open().await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    dispatch(&backend).await.unwrap();
    for name in ["stent.db", "stent.db-wal", "stent.db-shm"] {
        let mode = fs::metadata(directory.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn files_of_others_are_refused_and_not_changed() {
    let directory = TempDir::new().unwrap();
    let text = directory.path().join("notes.txt");
    fs::write(&text, "these are my notes, and they are longer than the header of a database").unwrap();
    let said = refused(&text, &ErrorKind::NotStent).await;
    assert!(said.contains("notes.txt"), "{said}");

    let short = directory.path().join("short.txt");
    fs::write(&short, "hello").unwrap();
    refused(&short, &ErrorKind::NotStent).await;

    let tables = directory.path().join("tables.db");
    make(&tables, "CREATE TABLE invoices (id INTEGER PRIMARY KEY)").await;
    refused(&tables, &ErrorKind::NotStent).await;

    let application = directory.path().join("application.db");
    make(&application, "PRAGMA application_id = 42").await;
    refused(&application, &ErrorKind::NotStent).await;

    let versioned = directory.path().join("versioned.db");
    make(&versioned, "PRAGMA user_version = 1").await;
    refused(&versioned, &ErrorKind::NotStent).await;

    let wal = directory.path().join("wal.db");
    make(&wal, "PRAGMA journal_mode = WAL; CREATE TABLE invoices (id INTEGER PRIMARY KEY)").await;
    refused(&wal, &ErrorKind::NotStent).await;
}

#[tokio::test]
async fn schemas_of_other_versions_are_refused_and_not_changed() {
    let directory = TempDir::new().unwrap();
    let newer = directory.path().join("newer.db");
    SqliteBackend::open(&newer).await.unwrap().close().await;
    make(&newer, "PRAGMA user_version = 99").await;
    let text = refused(&newer, &ErrorKind::SchemaMismatch { found: 99, supported: 1 }).await;
    assert!(text.contains("99") && text.contains("version 1"), "{text}");

    let lost = directory.path().join("lost.db");
    SqliteBackend::open(&lost).await.unwrap().close().await;
    make(&lost, "PRAGMA user_version = 0").await;
    refused(&lost, &ErrorKind::SchemaMismatch { found: 0, supported: 1 }).await;

    let empty = directory.path().join("empty.db");
    fs::write(&empty, "").unwrap();
    let error = SqliteOptions::new(&empty).migrate(false).open().await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::SchemaMismatch { found: 0, supported: 1 });
    assert_eq!(fs::metadata(&empty).unwrap().len(), 0);
    SqliteBackend::open(&empty).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_open_a_new_file_migrate_it_once() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let openers = (0..8).map(|_| tokio::spawn(SqliteBackend::open(path.clone())));
    for opener in openers.collect::<Vec<_>>() {
        let backend = opener.await.unwrap().unwrap();
        assert_eq!(backend.schema_version().await.unwrap(), 1);
        dispatch(&backend).await.unwrap();
    }
}

#[tokio::test]
async fn what_one_handle_wrote_another_reads_and_is_told() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let (one, other) = (SqliteBackend::open(&path).await.unwrap(), SqliteBackend::open(&path).await.unwrap());
    let (mut own, mut others) = (one.wake_ups().unwrap(), other.wake_ups().unwrap());
    // The other handle's first look is what later ones are compared with.
    tokio::time::sleep(Duration::from_millis(200)).await;

    let new = dispatch(&one).await.unwrap();
    assert!(other.execution(new.id).await.unwrap().is_some());
    let wait = Duration::from_secs(10);
    assert_eq!(tokio::time::timeout(wait, own.next()).await.unwrap(), Hint::TasksReady);
    assert_eq!(tokio::time::timeout(wait, others.next()).await.unwrap(), Hint::Anything);
    let quiet = tokio::time::timeout(Duration::from_millis(300), own.next()).await;
    assert!(quiet.is_err(), "its own commits are no news to a handle");
}

#[tokio::test]
async fn a_file_that_was_taken_away_takes_no_writes() {
    let directory = TempDir::new().unwrap();
    let (path, elsewhere) = (directory.path().join("stent.db"), directory.path().join("elsewhere.db"));
    let backend = SqliteBackend::open(&path).await.unwrap();
    dispatch(&backend).await.unwrap();
    fs::rename(&path, &elsewhere).unwrap();
    let error = dispatch(&backend).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("stent.db"), "{error}");
    assert!(backend.ping().await.is_err());
    assert!(!path.exists(), "no empty database takes its place");
    fs::rename(&elsewhere, &path).unwrap();
    dispatch(&backend).await.unwrap();
}

#[tokio::test]
async fn a_closed_backend_says_so_and_lost_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let new = dispatch(&backend).await.unwrap();
    backend.close().await;
    assert_eq!(*dispatch(&backend).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(*backend.ping().await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(!directory.path().join("stent.db-wal").exists(), "the last one out folds the WAL into the file");
    let again = SqliteBackend::open(&path).await.unwrap();
    assert!(again.execution(new.id).await.unwrap().is_some());
}

#[tokio::test]
async fn a_foreign_writer_is_waited_for_and_then_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteOptions::new(&path).busy_timeout(Duration::from_millis(300)).open().await.unwrap();
    let mut foreign = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    foreign.execute("BEGIN IMMEDIATE").await.unwrap();
    let error = dispatch(&backend).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Busy, "{error}");
    assert!(error.is_transient());

    let waiting = tokio::spawn({
        let backend = backend.clone();
        async move { dispatch(&backend).await }
    });
    tokio::task::yield_now().await;
    foreign.execute("COMMIT").await.unwrap();
    waiting.await.unwrap().unwrap();
}

/// What a copy that was not whole leaves: it is not filled up, since nobody knows what else is missing.
#[tokio::test]
async fn a_file_that_is_not_whole_is_refused() {
    let directory = TempDir::new().unwrap();
    let whole = directory.path().join("whole.db");
    SqliteBackend::open(&whole).await.unwrap().close().await;
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&whole)).await.unwrap();
    let ours = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let tables: Vec<String> = sqlx::query_scalar(ours).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    for table in tables {
        let partial = directory.path().join(format!("{table}.db"));
        fs::copy(&whole, &partial).unwrap();
        make(&partial, format!("DROP TABLE {table}")).await;
        let text = refused(&partial, &ErrorKind::SchemaMismatch { found: 1, supported: 1 }).await;
        assert!(text.contains(&format!("without its tables {table}:")), "{text}");
    }
}

/// S21, S23
#[tokio::test]
async fn a_migration_that_is_given_up_anywhere_leaves_the_version_before() {
    let directory = TempDir::new().unwrap();
    for polls in 1.. {
        let path = directory.path().join(format!("{polls}.db"));
        let is_over = give_up_after(polls, SqliteBackend::open(&path)).await.is_some();
        let backend = SqliteBackend::open(&path).await.unwrap();
        assert_eq!(backend.schema_version().await.unwrap(), 1);
        dispatch(&backend).await.unwrap();
        if is_over {
            return assert!(polls > 3, "{polls} polls are no migration");
        }
    }
}
