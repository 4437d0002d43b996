//! W2: 1,000 executions of ten operations that do nothing, one after the other: steps, and calls.

use std::time::Instant;

use crate::database::Store;
use crate::floor::Floor;
use crate::functions::{ten_calls, ten_steps};
use crate::report::{Row, per_second};
use crate::setup::{Setup, client};
use crate::worker::{Orders, WorkerProcess};

/// Executions, and operations of each.
pub(crate) const SEQUENCES: u32 = 1_000;
pub(crate) const OPERATIONS: u32 = 10;
/// What is counted.
pub(crate) const RATE: &str = "operations/s";
/// Raw commits.
const COMMITS: u32 = 4_000;

/// What an operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Step,
    Call,
}

impl Operation {
    pub(crate) const ALL: [Self; 2] = [Self::Step, Self::Call];

    pub(crate) const fn metric(self) -> &'static str {
        match self {
            Self::Step => "steps",
            Self::Call => "calls",
        }
    }
}

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let mut rows = Vec::new();
    for operation in Operation::ALL {
        let mut floor = Floor::open(setup).await;
        let commits = per_second(COMMITS, floor.crowd(COMMITS).await);
        floor.close().await;
        let store = setup.database.store().await;
        let rate = measure(setup, &store, operation).await;
        rows.push(Row::new(operation.metric(), RATE, rate).floor(commits));
        store.close().await;
    }
    rows
}

/// Operations a second on a store, whatever else is in it.
pub(crate) async fn measure(setup: &Setup, store: &Store, operation: Operation) -> f64 {
    let stent = client(&store.place).await;
    let mut probe = store.place.probe().await;
    let before = probe.completed().await;
    let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place), operation.metric()).await;
    let last = match operation {
        Operation::Step => stent.dispatch_all((0..SEQUENCES).map(ten_steps)).await.unwrap().pop().unwrap(),
        Operation::Call => {
            let executions = stent.dispatch_all((0..SEQUENCES).map(ten_calls)).await.unwrap();
            stent.execution(executions.last().unwrap().id())
        }
    };
    let begun = Instant::now();
    worker.begin().await;
    probe.idle().await;
    let time = begun.elapsed();
    assert_eq!(probe.completed().await - before, i64::from(SEQUENCES));
    let (number, sum): (u32, u32) = (SEQUENCES - 1, last.result().await.unwrap());
    let expected = match operation {
        Operation::Step => number + (0..OPERATIONS).sum::<u32>(),
        Operation::Call => number * (1 + OPERATIONS),
    };
    assert_eq!(sum, expected);
    worker.stop().await;
    per_second(SEQUENCES * OPERATIONS, time)
}
