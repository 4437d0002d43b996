//! W4: one call at a time, from its dispatch to its result; from a signal to when what waited for it goes on. Client and worker in one process.

use std::time::{Duration, Instant};

use stent_core::task::TaskState;
use stent_executor::{Stent, Worker};

use crate::database::Store;
use crate::floor::Floor;
use crate::functions::{Resumed, nothing, waits};
use crate::report::Row;
use crate::setup::{Setup, client};

/// Round trips one after the other, and as often that; the first round is not counted.
const EACH: u32 = 20;
const ROUNDS: u32 = 10;
/// Raw commits after each round, one after the other.
const COMMITS: usize = 100;
const MOMENT: Duration = Duration::from_millis(1);

/// Round trips, and the raw commits between them.
#[derive(Default)]
struct Times {
    stent: Vec<Duration>,
    raw: Vec<Duration>,
}

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let mut floor = Floor::open(setup).await;
    let mut rows = figures("call", calls(setup, &mut floor).await);
    rows.extend(figures("signal, resident", signals(setup, &mut floor, TaskState::Running).await));
    rows.extend(figures("signal, suspended", signals(setup, &mut floor, TaskState::Suspended).await));
    floor.close().await;
    rows
}

async fn calls(setup: &Setup, floor: &mut Floor) -> Times {
    let (store, stent, worker) = open(setup, TaskState::Running).await;
    let mut times = Times::default();
    for round in 0..=ROUNDS {
        idle(&worker).await;
        for number in 0..EACH {
            let begun = Instant::now();
            let result = stent.dispatch(nothing(number)).await.unwrap().result().await.unwrap();
            times.stent.extend((round > 0).then(|| begun.elapsed()));
            assert_eq!(result, number);
        }
        idle(&worker).await;
        times.raw.extend(floor.commits(COMMITS.try_into().unwrap()).await);
    }
    close(store, worker).await;
    times
}

async fn signals(setup: &Setup, floor: &mut Floor, state: TaskState) -> Times {
    let (store, stent, worker) = open(setup, state).await;
    let resumed = stent.resource::<Resumed>().unwrap();
    let mut times = Times::default();
    for round in 0..=ROUNDS {
        let waiting = stent.dispatch_all((0..EACH).map(|_| waits())).await.unwrap();
        for execution in &waiting {
            while stent.backend().task(execution.id().root()).await.unwrap().is_none_or(|task| task.state != state) {
                tokio::time::sleep(MOMENT).await;
            }
        }
        idle(&worker).await;
        for (number, execution) in (0..EACH).zip(waiting) {
            let begun = Instant::now();
            execution.signal("go", &number).await.unwrap();
            assert_eq!(execution.result().await.unwrap(), number);
            let resumed = resumed.0.lock().unwrap().take().unwrap();
            times.stent.extend((round > 0).then(|| resumed - begun));
        }
        idle(&worker).await;
        times.raw.extend(floor.commits(COMMITS.try_into().unwrap()).await);
    }
    close(store, worker).await;
    times
}

/// A worker whose waiting tasks are in this state.
async fn open(setup: &Setup, waiting: TaskState) -> (Store, Stent, Worker) {
    let store = setup.database.store().await;
    let stent = client(&store.place).await;
    let worker = stent.worker();
    let worker = if waiting == TaskState::Suspended { worker.suspend_after("0s") } else { worker };
    (store, stent, worker.start().await.unwrap())
}

async fn close(store: Store, worker: Worker) {
    worker.stop().await.unwrap();
    drop(worker);
    store.close().await;
}

/// Waits until the worker has nothing to do.
async fn idle(worker: &Worker) {
    while !worker.is_idle() {
        tokio::time::sleep(MOMENT).await;
    }
    // It has said so before its last words to the store.
    tokio::time::sleep(2 * MOMENT).await;
}

fn figures(what: &str, mut times: Times) -> Vec<Row> {
    times.raw.drain(..COMMITS);
    times.stent.sort();
    times.raw.sort();
    let at = |times: &[Duration], part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    let row = |part| Row::new(format!("{what} p{part}"), "ms", at(&times.stent, part)).floor(at(&times.raw, part));
    [50, 95, 99].map(row).into()
}
