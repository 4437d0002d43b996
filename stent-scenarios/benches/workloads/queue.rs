//! W1: 10,000 calls that do nothing, dispatched in one batch and then drained by one worker.

use std::time::{Duration, Instant};

use crate::database::Store;
use crate::floor::Floor;
use crate::functions::nothing;
use crate::report::{Row, per_second};
use crate::setup::{Setup, client};
use crate::worker::{Orders, WorkerProcess};

/// Executions.
const QUEUED: u32 = 10_000;
/// What is counted.
pub(crate) const RATE: &str = "executions/s";

/// How long it took.
pub(crate) struct Queue {
    dispatched: Duration,
    drained: Duration,
}

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let mut floor = Floor::open(setup).await;
    let raw = Queue { dispatched: floor.insert(QUEUED).await, drained: floor.drain().await };
    floor.close().await;
    let store = setup.database.store().await;
    let stent = measure(setup, &store).await;
    store.close().await;
    vec![
        Row::new("dispatch", RATE, stent.dispatch()).floor(raw.dispatch()),
        Row::new("drain", RATE, stent.drain()).floor(raw.drain()),
    ]
}

/// Dispatches and drains them on a store, whatever else is in it.
pub(crate) async fn measure(setup: &Setup, store: &Store) -> Queue {
    let stent = client(&store.place).await;
    let mut probe = store.place.probe().await;
    let before = probe.completed().await;
    let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place), "W1").await;
    let begun = Instant::now();
    stent.dispatch_all((0..QUEUED).map(nothing)).await.unwrap();
    let dispatched = begun.elapsed();
    let begun = Instant::now();
    worker.begin().await;
    probe.idle().await;
    let drained = begun.elapsed();
    assert_eq!(probe.completed().await - before, i64::from(QUEUED));
    worker.stop().await;
    Queue { dispatched, drained }
}

impl Queue {
    /// Dispatches a second.
    pub(crate) fn dispatch(&self) -> f64 {
        per_second(QUEUED, self.dispatched)
    }

    /// Completions a second.
    pub(crate) fn drain(&self) -> f64 {
        per_second(QUEUED, self.drained)
    }
}
