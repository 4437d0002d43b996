//! The file under attack and by accident: who may reach it, what becomes of it while it is open, what damaged pages are answered with (Q06, Q07, Q08, Q10).

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]
#![cfg(unix)]

mod work;

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor, Row};
use stent_backend_sqlite::{SqliteBackend, SqliteOptions};
use stent_core::backend::{Dispatch, ExecutionFilter, Inspect, Maintenance, Page};
use stent_core::error::ErrorKind;
use stent_core::execution::NewExecution;
use stent_core::task::NewTask;
use stent_core::{BackendError, ExecutionId, Payload, Timestamp};
use tempfile::TempDir;
use work::task;

fn execution() -> NewExecution {
    NewExecution {
        id: ExecutionId::new(Timestamp::system_now()),
        task: NewTask { input: Payload::from(vec![7; 500]), ..task() },
        max_duration: None,
        dedup: None,
        born: None,
    }
}

async fn dispatch(backend: &SqliteBackend) -> Result<(), BackendError> {
    backend.dispatch(Timestamp::EPOCH, &[execution()]).await.map(drop)
}

async fn number(path: &Path, sql: &'static str) -> i64 {
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    connection.fetch_one(sql).await.unwrap().get(0)
}

fn permit(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn a_directory_that_everybody_may_write_to_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    for mode in [0o777, 0o707, 0o702] {
        permit(directory.path(), mode);
        let error = SqliteBackend::open(&path).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("chmod o-w"), "{error}");
        assert!(!path.exists(), "nothing is made there");
    }
    // Like /tmp: others may make files of their own, and touch none of ours.
    for mode in [0o1777, 0o770, 0o700] {
        permit(directory.path(), mode);
        SqliteBackend::open(&path).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn the_file_says_whose_it_is_and_no_pages_are_mapped() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    dispatch(&backend).await.unwrap();
    assert_eq!(number(&path, "PRAGMA application_id").await, 0x5374_6e74);
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mapped: Vec<_> = maps.lines().filter(|line| line.ends_with(path.to_str().unwrap())).collect();
    assert!(mapped.is_empty(), "{mapped:?}");
}

/// A program that is started by a worker must not inherit the file: closing it would drop the locks of SQLite.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn children_inherit_no_descriptor_of_the_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    dispatch(&backend).await.unwrap();
    backend.list_executions(&ExecutionFilter::default(), Page::first(1)).await.unwrap();
    let own = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    assert!(own.filter(|file| file.starts_with(directory.path())).count() >= 3, "this process has it open");
    let child = std::process::Command::new("ls").args(["-l", "/proc/self/fd"]).output().unwrap();
    let inherited = String::from_utf8(child.stdout).unwrap();
    assert!(inherited.contains("/proc/") && !inherited.contains(directory.path().to_str().unwrap()), "{inherited}");
}

/// Writes and reads are answered with an error until the file is back; nothing else is put in its place.
#[tokio::test]
async fn a_file_that_is_deleted_or_replaced_while_it_is_open_is_not_gone_on_with() {
    for replaced in [false, true] {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("stent.db");
        let backend = SqliteBackend::open(&path).await.unwrap();
        dispatch(&backend).await.unwrap();
        if replaced {
            let other = directory.path().join("other.db");
            SqliteBackend::open(&other).await.unwrap().close().await;
            fs::rename(&other, &path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        for error in [
            dispatch(&backend).await.unwrap_err(),
            backend.ping().await.map(drop).unwrap_err(),
            backend.list_executions(&ExecutionFilter::default(), Page::first(1)).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(*error.kind(), ErrorKind::Unavailable, "{error}");
            assert!(error.to_string().contains("no longer the file that was opened"), "{error}");
        }
        assert_eq!(path.exists(), replaced, "no empty database takes its place");
        drop(backend);
        if !replaced {
            let error = SqliteOptions::new(&path).create(false).open().await.unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Invalid, "{error}");
        }
    }
}

#[tokio::test]
async fn damaged_pages_are_told_from_everything_else() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let many: Vec<_> = (0..2_000).map(|_| execution()).collect();
    let _ = backend.dispatch(Timestamp::EPOCH, &many).await.unwrap();
    backend.close().await;
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let pages = file.metadata().unwrap().len() / 4_096;
    for page in (pages / 4..pages).step_by(3) {
        file.write_all_at(&[0xa5; 512], page * 4_096).unwrap();
    }
    drop(file);
    let backend = SqliteBackend::open(&path).await.unwrap();
    let error = backend.list_executions(&ExecutionFilter::default(), Page::first(1_000)).await.map(drop).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(!error.is_transient() && error.to_string().contains("restore it from a backup"), "{error}");
}

/// A file of ours that another program took out of WAL mode is taken back into it; one with tables that are missing is told by its first use.
#[tokio::test]
async fn another_journal_mode_does_not_last() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    SqliteBackend::open(&path).await.unwrap().close().await;
    let mut other = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    other.execute("PRAGMA journal_mode = DELETE").await.unwrap();
    other.close().await.unwrap();
    let backend = SqliteBackend::open(&path).await.unwrap();
    dispatch(&backend).await.unwrap();
    assert!(directory.path().join("stent.db-wal").exists());
}
