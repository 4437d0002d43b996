//! A row that cannot be read is trouble of that row alone (S19): it hinders no claim and no listing of others.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod work;

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{Connection, Executor};
use stent_backend_sqlite::SqliteBackend;
use stent_core::backend::{Claims, Dispatch, ExecutionFilter, Inspect, Page, TaskFilter};
use stent_core::claim::{ClaimFunction, ClaimRequest};
use stent_core::error::ErrorKind;
use stent_core::execution::NewExecution;
use stent_core::name::{FunctionName, Tag};
use stent_core::task::NewTask;
use stent_core::{ClaimToken, ExecutionId, Timestamp, WorkerId};
use tempfile::TempDir;
use work::task;

fn execution(number: i64) -> NewExecution {
    NewExecution {
        id: ExecutionId::new(Timestamp::from_micros(number * 1_000)),
        task: NewTask { tags: [Tag::new("blue").unwrap()].into(), ..task() },
        max_duration: None,
        dedup: None,
        born: None,
    }
}

fn request(tags: &[&str]) -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(10),
        limit: 10,
        functions: [ClaimFunction { name: FunctionName::new("f").unwrap(), version: None, max_concurrent: None }]
            .into(),
        queues: [].into(),
        tags: tags.iter().map(|tag| Tag::new(tag).unwrap()).collect(),
        take_expired: true,
        is_poll: false,
    }
}

/// Three executions, of which the second is damaged by a statement.
async fn damaged(damage: &'static str) -> (TempDir, SqliteBackend, Vec<NewExecution>) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("stent.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let executions = vec![execution(1), execution(2), execution(3)];
    let _ = backend.dispatch(Timestamp::EPOCH, &executions).await.unwrap();
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(&path)).await.unwrap();
    connection.execute("PRAGMA ignore_check_constraints = ON").await.unwrap();
    sqlx::query(damage).bind(executions[1].id.as_bytes().as_slice()).execute(&mut connection).await.unwrap();
    (directory, backend, executions)
}

#[tokio::test]
async fn a_corrupt_row_is_claimed_apart_and_left_out_of_lists() {
    for (damage, column) in [
        ("UPDATE tasks SET retry = 'nonsense' WHERE id = ?1", "retry"),
        ("UPDATE tasks SET failure = '{' WHERE id = ?1", "failure"),
        ("UPDATE tasks SET memo_mode = 'sometimes' WHERE id = ?1", "memo_mode"),
        ("UPDATE tasks SET attempt = -7 WHERE id = ?1", "attempt"),
    ] {
        let (_directory, backend, executions) = damaged(damage).await;
        let claimed = backend.claim(Timestamp::EPOCH, &request(&[])).await.unwrap();
        let tasks: Vec<_> = claimed.tasks.iter().map(|task| task.execution).collect();
        assert_eq!(tasks, [executions[0].id, executions[2].id], "{damage}");
        assert_eq!(claimed.corrupt[0].claim.task, executions[1].id.root());
        let kind = ErrorKind::CorruptRow { table: "tasks", row: executions[1].id.to_string(), column };
        assert_eq!(*claimed.corrupt[0].error.kind(), kind);
    }
}

#[tokio::test]
async fn a_corrupt_row_shortens_no_page_but_the_last() {
    let (_directory, backend, executions) = damaged("UPDATE tasks SET failure = '{' WHERE id = ?1").await;
    let page = backend.list_executions(&ExecutionFilter::default(), Page::first(2)).await.unwrap();
    assert_eq!(page.iter().map(|record| record.id).collect::<Vec<_>>(), [executions[2].id, executions[0].id]);
    let tasks = backend.list_tasks(&TaskFilter::default(), Page::first(2)).await.unwrap();
    assert_eq!(tasks.len(), 2);
    let error = backend.execution(executions[1].id).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::CorruptRow { column: "failure", .. }), "{error}");
}

#[tokio::test]
async fn tags_that_are_no_json_stop_no_claim() {
    let (_directory, backend, executions) = damaged("UPDATE tasks SET tags = '[' WHERE id = ?1").await;
    let claimed = backend.claim(Timestamp::EPOCH, &request(&["blue"])).await.unwrap();
    let tasks: Vec<_> = claimed.tasks.iter().map(|task| task.execution).collect();
    assert_eq!(tasks, [executions[0].id, executions[2].id]);
}
