//! Renewals: neither what holds the pool nor code that blocks a runtime is in their way.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

mod server;
#[path = "server/work.rs"]
mod work;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Dispatch, Signals};
use stent_core::claim::{Claim, Renewal};
use stent_core::commit::{Dispatched, Sent};
use stent_core::execution::NewExecution;
use stent_core::signal::SignalSend;
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{ExecutionId, Payload, SignalId, WorkerId};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls};

use server::Schema;
use work::{now, request, task};

/// Far longer than a renewal takes.
const PATIENCE: Duration = Duration::from_secs(10);

async fn claimed(backend: &PostgresBackend) -> Claim {
    let new = NewExecution { id: ExecutionId::new(now()), task: task(), max_duration: None, dedup: None, born: None };
    assert_eq!(backend.dispatch(now(), &[new]).await.unwrap(), [Dispatched::Created]);
    backend.claim(now(), &request(1)).await.unwrap().tasks[0].claim
}

fn worker() -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::random(),
        process: ProcessIdentity::default(),
        state: WorkerState::Ready,
        concurrency: 1,
        functions: Arc::new([]),
        queues: Arc::new([]),
        tags: Arc::new([]),
        lease: Duration::from_secs(10),
        seen_at: now(),
    }
}

async fn is_renewed(backend: &PostgresBackend, claim: Claim) {
    for claims in [&[][..], &[claim][..]] {
        let renewed = tokio::time::timeout(PATIENCE, backend.renew(now(), &worker(), claims)).await;
        let renewed = renewed.expect("renewals wait for what is not theirs").unwrap();
        assert!(renewed.iter().all(|renewal| *renewal == Renewal::Renewed), "{renewed:?}");
        assert_eq!(renewed.len(), claims.len());
    }
}

async fn connect(schema: &Schema) -> Client {
    let (client, connection) = tokio_postgres::connect(&schema.url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Waits until a connection of the schema waits for a lock.
async fn until_it_waits(schema: &Schema) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
    let client = connect(schema).await;
    while client.query_one(waiting, &[&schema.name]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn heartbeat() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// C-Q2: a worker whose code blocks its runtime keeps its leases: the heartbeat has a runtime of its own, and its connection lives there.
#[test]
fn renewals_go_on_while_code_blocks_the_runtime() {
    let schema = Schema::new();
    let program = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = schema.options();
    let (backend, claim) = program.block_on(async {
        let backend = tokio::spawn(async move { options.open().await.unwrap() }).await.unwrap();
        let claim = claimed(&backend).await;
        (backend, claim)
    });
    let (blocks, is_blocked) = mpsc::channel();
    // Let go of before the runtime, whatever becomes of the test.
    let (_release, released) = mpsc::channel::<()>();
    program.spawn(async move {
        blocks.send(()).unwrap();
        let _ = released.recv();
    });
    is_blocked.recv().unwrap();
    heartbeat().block_on(is_renewed(&backend, claim));
}

/// C-Q2: callers that hold every connection of the pool cost no lease.
#[test]
fn renewals_go_on_while_the_pool_is_exhausted() {
    let schema = Schema::new();
    let program = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    program.block_on(async {
        let backend = Arc::new(schema.options().pool(1).open().await.unwrap());
        let claim = claimed(&backend).await;
        let other = connect(&schema).await;
        let lock = format!("BEGIN; LOCK TABLE {}.signals IN ACCESS EXCLUSIVE MODE", schema.name);
        other.batch_execute(&lock).await.unwrap();
        let (sender, execution) = (Arc::clone(&backend), ExecutionId::from_uuid(*claim.task.as_uuid()));
        let (id, name, value) = (SignalId::random(), "a".try_into().unwrap(), Payload::default());
        let send = SignalSend { id, execution, name, value };
        let holder = tokio::spawn(async move { sender.send(now(), &send).await.unwrap() });
        until_it_waits(&schema).await;
        is_renewed(&backend, claim).await;
        other.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(holder.await.unwrap(), Sent::Stored { overwrote: false });
    });
}
