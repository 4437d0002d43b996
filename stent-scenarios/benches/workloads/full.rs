//! W1 and W2 with 1,000,000 finished tasks in the database, beside an empty one.

use crate::database::Store;
use crate::fill::{FINISHED, fill};
use crate::queue;
use crate::report::{Row, median};
use crate::sequences::{self, Operation};
use crate::setup::Setup;

/// How often each is run on a database that takes long to fill.
const ROUNDS: usize = 3;

/// What is compared: executions dispatched and drained, steps, calls.
const METRICS: [(&str, &str); 4] = [
    ("dispatch", queue::RATE),
    ("drain", queue::RATE),
    (Operation::Step.metric(), sequences::RATE),
    (Operation::Call.metric(), sequences::RATE),
];

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let full = setup.database.store().await;
    eprintln!("  {FINISHED} finished tasks");
    fill(&full, FINISHED).await;
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        beside.push(rates(setup, &full).await);
        let empty = setup.database.store().await;
        alone.push(rates(setup, &empty).await);
        empty.close().await;
    }
    full.close().await;
    let middle = |rounds: &[[f64; 4]], at: usize| {
        let mut rates: Vec<f64> = rounds.iter().map(|rates| rates[at]).collect();
        rates.sort_by(f64::total_cmp);
        median(&rates).unwrap()
    };
    let row = |(at, (metric, unit))| Row::new(metric, unit, middle(&beside, at)).floor(middle(&alone, at));
    METRICS.into_iter().enumerate().map(row).collect()
}

async fn rates(setup: &Setup, store: &Store) -> [f64; 4] {
    let queue = queue::measure(setup, store).await;
    let steps = sequences::measure(setup, store, Operation::Step).await;
    [queue.dispatch(), queue.drain(), steps, sequences::measure(setup, store, Operation::Call).await]
}
