//! Dispatch in a transaction of the caller's own connection.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::Timestamp;
use stent_core::backend::{Claims, Dispatch, ExecutionFilter, HasWakeUps, Hint, Inspect, Journal, Outcomes};
use stent_core::claim::{ClaimFunction, ClaimRequest, Renewal};
use stent_core::commit::{Dispatched, TurnCommit};
use stent_core::error::ErrorKind;
use stent_core::execution::{ExecutionState, ExecutionStatus, NewExecution};
use stent_core::id::{ClaimToken, ExecutionId, WorkerId};
use stent_core::journal::TurnWrite;
use stent_core::payload::{Fingerprint, Payload};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use tokio_postgres::{Client, IsolationLevel};

use server::Schema;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

/// A store, and a connection of the user's with a table of orders, both called by names that the store uses, too.
async fn store() -> (Schema, PostgresBackend, Client) {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let own = schema.client().await;
    let tables = "SET search_path TO DEFAULT; CREATE TEMPORARY TABLE orders (id integer PRIMARY KEY);
        CREATE TEMPORARY TABLE tasks (id integer); INSERT INTO tasks VALUES (1)";
    own.batch_execute(tables).await.unwrap();
    (schema, backend, own)
}

async fn count(client: &impl tokio_postgres::GenericClient, table: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0)
}

async fn status(backend: &PostgresBackend, id: ExecutionId) -> ExecutionStatus {
    backend.executions(&[id]).await.unwrap().remove(0)
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
            tags: ["a", "b"].map(|tag| tag.try_into().unwrap()).into(),
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

/// S5: the execution exists if and only if the caller's transaction commits; names mean afterwards what they meant before.
#[tokio::test]
async fn it_exists_if_and_only_if_the_transaction_commits() {
    let (_schema, backend, mut own) = store().await;
    for commits in [false, true] {
        let new = [ship("7", None), ship("8", None)];
        let mut transaction = own.transaction().await.unwrap();
        transaction.execute("INSERT INTO orders VALUES (7)", &[]).await.unwrap();
        let dispatched = backend.dispatch_in(&mut transaction, NOW, &new).await.unwrap();
        assert_eq!(dispatched, [Dispatched::Created, Dispatched::Created]);
        assert_eq!(count(&transaction, "tasks").await, 1, "the caller's own table");
        assert_eq!(status(&backend, new[0].id).await, ExecutionStatus::Unknown, "not before it is committed");
        if commits {
            transaction.commit().await.unwrap();
        } else {
            transaction.rollback().await.unwrap();
        }
        let (orders, expected) = match commits {
            true => (1, ExecutionStatus::Open(ExecutionState::Pending)),
            false => (0, ExecutionStatus::Unknown),
        };
        assert_eq!((count(&own, "orders").await, count(&own, "tasks").await), (orders, 1));
        for new in new {
            assert_eq!(status(&backend, new.id).await, expected);
        }
    }
}

/// C-K3
#[tokio::test]
async fn a_dedup_key_is_answered_for_as_elsewhere() {
    let (_schema, backend, mut own) = store().await;
    let mut transaction = own.transaction().await.unwrap();
    let first = ship("7", Some("order-7"));
    let _ = backend.dispatch_in(&mut transaction, NOW, std::slice::from_ref(&first)).await.unwrap();
    transaction.commit().await.unwrap();
    let serializable = own.build_transaction().isolation_level(IsolationLevel::Serializable);
    let mut transaction = serializable.start().await.unwrap();
    let more = [ship("7", Some("order-7")), ship("8", Some("order-7"))];
    let answers = backend.dispatch_in(&mut transaction, NOW, &more).await.unwrap();
    assert_eq!(answers, [Dispatched::Existing(first.id), Dispatched::Conflict(first.id)]);
    transaction.commit().await.unwrap();
    assert_eq!(backend.count_executions(&ExecutionFilter::default()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_transaction_on_a_database_without_the_schema_is_refused_and_goes_on() {
    let (_schema, _, mut own) = store().await;
    let (other, backend, _) = store().await;
    own.batch_execute(&format!("DROP SCHEMA {} CASCADE", other.name)).await.unwrap();
    let mut transaction = own.transaction().await.unwrap();
    let refused = backend.dispatch_in(&mut transaction, NOW, &[ship("7", None)]).await.unwrap_err();
    assert_eq!(*refused.kind(), ErrorKind::Invalid);
    assert!(refused.to_string().contains(&other.name), "{refused}");
    transaction.execute("INSERT INTO orders VALUES (7)", &[]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(count(&own, "orders").await, 1);
}

/// C-Q2: a turn that dispatches with the dedup key of a transaction that stays open waits, and keeps its claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_waits_for_a_transaction_of_the_users_is_renewed_meanwhile() {
    let (schema, backend, mut own) = store().await;
    let watcher = schema.client().await;
    let _ = backend.dispatch(NOW, &[ship("1", None)]).await.unwrap();
    let request = ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(10),
        limit: 1,
        functions: [ClaimFunction { name: "ship".try_into().unwrap(), version: None, max_concurrent: None }].into(),
        queues: [].into(),
        tags: [].into(),
        take_expired: true,
        is_poll: false,
    };
    let claim = backend.claim(NOW, &request).await.unwrap().tasks[0].claim;
    let mut transaction = own.transaction().await.unwrap();
    let _ = backend.dispatch_in(&mut transaction, NOW, &[ship("7", Some("order-7"))]).await.unwrap();
    let turn = TurnWrite {
        claim,
        generation: 0,
        entries: Vec::new(),
        children: Vec::new(),
        dispatches: vec![ship("7", Some("order-7"))],
        cancels: Vec::new(),
        variables: Vec::new(),
        take: None,
    };
    let writing = {
        let backend = backend.clone();
        tokio::spawn(async move { backend.write(NOW, &[turn]).await })
    };
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = current_schema() AND wait_event_type = 'Lock'";
    while watcher.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!writing.is_finished());
    }
    let worker = WorkerRecord {
        id: request.worker,
        process: ProcessIdentity::default(),
        state: WorkerState::Ready,
        concurrency: 4,
        functions: [].into(),
        queues: [].into(),
        tags: [].into(),
        lease: Duration::from_secs(10),
        seen_at: NOW,
    };
    assert_eq!(backend.renew(NOW, &worker, &[claim]).await.unwrap(), [Renewal::Renewed]);
    assert!(!writing.is_finished(), "it waits");
    transaction.commit().await.unwrap();
    assert_eq!(writing.await.unwrap().unwrap(), [TurnCommit::Applied { taken: None }]);
    assert_eq!(backend.count_executions(&ExecutionFilter::default()).await.unwrap(), 2);
}

#[tokio::test]
async fn workers_are_told_when_it_is_committed() {
    let (_schema, backend, mut own) = store().await;
    let mut hints = backend.wake_ups().unwrap();
    // The connection for hints is there.
    assert_eq!(hints.next().await, Hint::Anything);
    let mut transaction = own.transaction().await.unwrap();
    let _ = backend.dispatch_in(&mut transaction, NOW, &[ship("7", None)]).await.unwrap();
    transaction.commit().await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(60), hints.next()).await;
    assert_eq!(told.expect("somebody is told"), Hint::TasksReady);
}
