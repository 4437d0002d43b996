//! Claims and renewals beside transactions that hold some of the tasks.

#![allow(unused)]
#![expect(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod server;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch};
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest, ClaimedTask, Renewal};
use stent_core::execution::NewExecution;
use stent_core::retry::RetryPolicy;
use stent_core::task::{End, NewTask, TaskEnd};
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{ClaimToken, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};
use tokio_postgres::types::Type;

use server::Schema;

const NOW: Timestamp = Timestamp::from_micros(1_000_000_000);

/// Executions of functions `f0`, `f1` and `f2` in turn, of five priorities; the ids in the order in which they are claimed.
async fn crowd(backend: &PostgresBackend, many: u32, max_attempts: u32) -> Vec<TaskId> {
    let retry = Arc::new(RetryPolicy::builder().max_attempts(max_attempts).build().unwrap());
    let new = |number: u32| {
        let task = NewTask {
            function: format!("f{}", number % 3).as_str().try_into().unwrap(),
            version: None,
            input: Payload::from(&b"in"[..]),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            queue: None,
            tags: Arc::new([]),
            priority: i32::try_from(number % 5).unwrap(),
            due: NOW,
            retry: Arc::clone(&retry),
            max_concurrent: None,
            memo: None,
            trace: None,
        };
        NewExecution { id: ExecutionId::new(NOW), task, max_duration: None, dedup: None, born: None }
    };
    let new: Vec<_> = (0..many).map(new).collect();
    assert_eq!(backend.dispatch(NOW, &new).await.unwrap().len(), new.len());
    let mut order: Vec<_> = new.iter().map(|new| (-new.task.priority, new.id.root())).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, task)| task).collect()
}

/// All three functions; `f1` with a limit, if one is given.
fn request(limit: u32, max_concurrent: Option<u32>) -> ClaimRequest {
    let function = |number: u32| ClaimFunction {
        name: format!("f{number}").as_str().try_into().unwrap(),
        version: None,
        max_concurrent: max_concurrent.filter(|_| number == 1),
    };
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: Duration::from_secs(10),
        limit,
        functions: (0..3).map(function).collect(),
        queues: Arc::new([]),
        tags: Arc::new([]),
        take_expired: true,
    }
}

async fn take(backend: &PostgresBackend, limit: u32, max_concurrent: Option<u32>) -> Vec<ClaimedTask> {
    backend.claim(NOW, &request(limit, max_concurrent)).await.unwrap().tasks
}

fn ids(tasks: &[ClaimedTask]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.claim.task).collect()
}

fn uuids(tasks: &[TaskId]) -> Vec<uuid::Uuid> {
    tasks.iter().map(|task| *task.as_uuid()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bench() {
    let schema = Schema::new();
    let backend = schema.options().pool(8).open().await.unwrap();
    let many: u32 = std::env::var("MANY").map_or(20_000, |many| many.parse().unwrap());
    let begun = std::time::Instant::now();
    for _ in 0..many / 500 {
        crowd(&backend, 500, 3).await;
    }
    println!("dispatch {:?}/s", f64::from(many) / begun.elapsed().as_secs_f64());
    for batch in [1u32, 10, 100] {
        let begun = std::time::Instant::now();
        let rounds = 100;
        for _ in 0..rounds {
            let taken = take(&backend, batch, None).await;
            assert_eq!(taken.len(), batch as usize);
        }
        println!("claim {batch}: {:?} each", begun.elapsed() / rounds);
        let begun = std::time::Instant::now();
        for _ in 0..rounds {
            let taken = take(&backend, batch, Some(1_000_000)).await;
            assert_eq!(taken.len(), batch as usize);
        }
        println!("claim with limits {batch}: {:?} each", begun.elapsed() / rounds);
    }
    let mut empty = request(10, None);
    empty.functions =
        Arc::new([ClaimFunction { name: "nothing".try_into().unwrap(), version: None, max_concurrent: None }]);
    let begun = std::time::Instant::now();
    for _ in 0..100 {
        empty.token = ClaimToken::random();
        assert!(backend.claim(NOW, &empty).await.unwrap().tasks.is_empty());
    }
    println!("empty claim: {:?} each", begun.elapsed() / 100);
    let held: Vec<Claim> = take(&backend, 1000, None).await.iter().map(|task| task.claim).collect();
    let me = worker();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        let _ = backend.renew(NOW, &me, &held).await.unwrap();
    }
    println!("renew 1000: {:?} each", begun.elapsed() / 20);
}
fn worker() -> WorkerRecord {
    WorkerRecord {
        id: WorkerId::random(),
        process: ProcessIdentity::default(),
        state: WorkerState::Ready,
        concurrency: 4,
        functions: Arc::new([]),
        queues: Arc::new([]),
        tags: Arc::new([]),
        lease: Duration::from_secs(10),
        seen_at: NOW,
    }
}
