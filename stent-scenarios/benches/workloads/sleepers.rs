//! W6: 100,000 sleeping executions: what they cost while they sleep, and how long a worker takes to start beside them and 1,000,000 finished ones.

use std::time::{Duration, Instant};

use crate::database::{Probe, Store};
use crate::fill::{FINISHED, fill};
use crate::functions::{nothing, sleeps};
use crate::report::Row;
use crate::setup::{Setup, client};
use crate::worker::{Orders, WorkerProcess};

const SLEEPERS: u32 = 100_000;
/// Dispatched at once.
const BATCH: u32 = 1_000;
/// For which nothing happens.
const QUIET: Duration = Duration::from_secs(20);
/// After which the server has counted all that happened before.
const COUNTED: Duration = Duration::from_secs(11);
const STARTS: usize = 5;

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let store = setup.database.store().await;
    let (empty, new) = (start(setup, &store).await, memory(setup, &store).await);
    let mut rows = sleep(setup, &store).await;
    let asleep = start(setup, &store).await;
    let started = memory(setup, &store).await;
    eprintln!("  {FINISHED} finished ones");
    fill(&store, FINISHED).await;
    let full = start(setup, &store).await;
    store.close().await;
    rows.push(Row::new("memory, started beside them", "MB", started).floor(new));
    rows.push(Row::new("start beside sleepers", "ms", asleep).floor(empty));
    rows.push(Row::new("start, and 1,000,000 finished", "ms", full).floor(empty));
    rows
}

async fn sleep(setup: &Setup, store: &Store) -> Vec<Row> {
    let stent = client(&store.place).await;
    let mut probe = store.place.probe().await;
    let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place).counting(), "W6").await;
    worker.begin().await;
    worker.ready().await;
    for number in 0..10 {
        stent.dispatch(nothing(number)).await.unwrap().result().await.unwrap();
    }
    let alone = rest(&mut worker, &mut probe).await;
    let idle = worker.memory().now;
    eprintln!("  {SLEEPERS} that sleep");
    for first in (0..SLEEPERS).step_by(BATCH as usize) {
        stent.dispatch_all((first..first + BATCH).map(sleeps)).await.unwrap();
    }
    while probe.number("SELECT count(*) FROM tasks WHERE state = 'suspended'").await < i64::from(SLEEPERS) {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let beside = rest(&mut worker, &mut probe).await;
    let memory = worker.memory();
    worker.stop().await;
    let mut rows = vec![
        Row::new("memory above idle", "MB", memory.now - idle),
        Row::new("memory above idle, at most", "MB", memory.peak - idle),
        Row::new("idle calls of the store", "a second", beside.calls).floor(alone.calls),
    ];
    if let (Some(beside), Some(alone)) = (beside.transactions, alone.transactions) {
        rows.push(Row::new("idle transactions", "a second", beside).floor(alone));
    }
    rows
}

/// What an idle worker does a second.
struct Idle {
    calls: f64,
    /// As the server counts them.
    transactions: Option<f64>,
}

async fn rest(worker: &mut WorkerProcess, probe: &mut Probe) -> Idle {
    tokio::time::sleep(COUNTED).await;
    let (calls, transactions) = (worker.calls().await, probe.transactions().await);
    tokio::time::sleep(QUIET).await;
    let a_second = |count: i64| f64::from(u32::try_from(count).unwrap()) / QUIET.as_secs_f64();
    let calls = a_second((worker.calls().await - calls).try_into().unwrap());
    let now = probe.transactions().await;
    Idle { calls, transactions: now.zip(transactions).map(|(now, before)| a_second(now - before)) }
}

/// How long a worker takes from its process's beginning until it is ready, in ms.
async fn start(setup: &Setup, store: &Store) -> f64 {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let begun = Instant::now();
        let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place), "W6").await;
        worker.begin().await;
        worker.ready().await;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        worker.stop().await;
    }
    times.sort_by(f64::total_cmp);
    times[STARTS / 2]
}

/// What a worker holds that has started and found nothing to do, in MB.
async fn memory(setup: &Setup, store: &Store) -> f64 {
    let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place), "W6").await;
    worker.begin().await;
    worker.ready().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let memory = worker.memory().now;
    worker.stop().await;
    memory
}
