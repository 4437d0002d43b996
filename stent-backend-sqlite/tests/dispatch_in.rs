//! Dispatch in a transaction of the caller's own connection.

#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use stent_backend_sqlite::SqliteBackend;
use stent_core::Timestamp;
use stent_core::backend::{Inspect, Outcomes};
use stent_core::commit::Dispatched;
use stent_core::error::ErrorKind;
use stent_core::execution::{ExecutionState, ExecutionStatus, NewExecution};
use stent_core::id::ExecutionId;
use stent_core::payload::{Fingerprint, Payload};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

struct Store {
    directory: TempDir,
    backend: SqliteBackend,
}

impl Store {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let backend = SqliteBackend::open(directory.path().join("stent.db")).await.unwrap();
        let mut own = connect(&directory, "stent.db").await;
        sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(&mut own).await.unwrap();
        Self { directory, backend }
    }

    async fn orders(&self) -> i64 {
        let mut own = connect(&self.directory, "stent.db").await;
        sqlx::query_scalar("SELECT count(*) FROM orders").fetch_one(&mut own).await.unwrap()
    }

    async fn status(&self, id: ExecutionId) -> ExecutionStatus {
        self.backend.executions(&[id]).await.unwrap().remove(0)
    }
}

async fn connect(directory: &TempDir, name: &str) -> SqliteConnection {
    SqliteConnectOptions::new().filename(directory.path().join(name)).create_if_missing(true).connect().await.unwrap()
}

fn ship(order: &str, dedup: Option<&str>) -> NewExecution {
    NewExecution {
        id: ExecutionId::new(NOW),
        task: NewTask {
            function: "ship".try_into().unwrap(),
            version: None,
            input: Payload::from(order.as_bytes().to_vec()),
            fingerprint: Fingerprint::from_bytes([order.as_bytes()[0]; 32]),
            queue: None,
            tags: [].into(),
            priority: 0,
            due: NOW,
            retry: RetryPolicy::default().into(),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        },
        max_duration: None,
        dedup: dedup.map(|key| key.try_into().unwrap()),
        born: None,
    }
}

/// S5: the execution exists if and only if the caller's transaction commits.
#[tokio::test]
async fn it_exists_if_and_only_if_the_transaction_commits() {
    let store = Store::new().await;
    let mut own = connect(&store.directory, "stent.db").await;
    for commits in [false, true] {
        let new = [ship("7", None), ship("8", None)];
        let mut transaction = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO orders VALUES (7)").execute(&mut *transaction).await.unwrap();
        let dispatched = store.backend.dispatch_in(&mut transaction, NOW, &new).await.unwrap();
        assert_eq!(dispatched, [Dispatched::Created, Dispatched::Created]);
        assert_eq!(store.status(new[0].id).await, ExecutionStatus::Unknown, "not before it is committed");
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let (orders, status) = match commits {
            true => (1, ExecutionStatus::Open(ExecutionState::Pending)),
            false => (0, ExecutionStatus::Unknown),
        };
        assert_eq!(store.orders().await, orders);
        for new in new {
            assert_eq!(store.status(new.id).await, status);
        }
    }
}

/// C-K3
#[tokio::test]
async fn a_dedup_key_is_answered_for_as_elsewhere() {
    let store = Store::new().await;
    let mut own = connect(&store.directory, "stent.db").await;
    let mut transaction = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let first = ship("7", Some("order-7"));
    let _ = store.backend.dispatch_in(&mut transaction, NOW, std::slice::from_ref(&first)).await.unwrap();
    transaction.commit().await.unwrap();
    let mut transaction = own.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let more = [ship("7", Some("order-7")), ship("8", Some("order-7"))];
    let answers = store.backend.dispatch_in(&mut transaction, NOW, &more).await.unwrap();
    assert_eq!(answers, [Dispatched::Existing(first.id), Dispatched::Conflict(first.id)]);
    transaction.commit().await.unwrap();
    assert_eq!(store.backend.count_executions(&stent_core::backend::ExecutionFilter::default()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_transaction_on_another_file_is_refused_and_goes_on() {
    let store = Store::new().await;
    let mut other = connect(&store.directory, "other.db").await;
    sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(&mut other).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    let refused = store.backend.dispatch_in(&mut transaction, NOW, &[ship("7", None)]).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains("other.db"), "{refused}");
    sqlx::query("INSERT INTO orders VALUES (7)").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}
