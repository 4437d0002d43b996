//! W4: one call at a time, from its dispatch to its result; from a signal to the end of what waited for it. Client and worker in one process.

use std::time::{Duration, Instant};

use stent_core::task::TaskState;
use stent_executor::{Stent, Worker};

use crate::database::Store;
use crate::floor::Floor;
use crate::functions::{nothing, waits};
use crate::report::Row;
use crate::setup::{Setup, client};

/// Round trips, and those before that are not counted.
const ROUND_TRIPS: u32 = 200;
const BEFORE: u32 = 20;
/// Raw commits after each.
const COMMITS: u32 = 5;
const MOMENT: Duration = Duration::from_millis(1);

/// Round trips, and the raw commits between them.
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
    let mut times = Times { stent: Vec::new(), raw: Vec::new() };
    for number in 0..BEFORE + ROUND_TRIPS {
        idle(&worker).await;
        let begun = Instant::now();
        let result = stent.dispatch(nothing(number)).await.unwrap().result().await.unwrap();
        times.stent.push(begun.elapsed());
        assert_eq!(result, number);
        idle(&worker).await;
        times.raw.extend(floor.commits(COMMITS).await);
    }
    close(store, worker).await;
    times
}

async fn signals(setup: &Setup, floor: &mut Floor, state: TaskState) -> Times {
    let (store, stent, worker) = open(setup, state).await;
    let mut times = Times { stent: Vec::new(), raw: Vec::new() };
    for number in 0..BEFORE + ROUND_TRIPS {
        let waiting = stent.dispatch(waits()).await.unwrap();
        while stent.backend().task(waiting.id().root()).await.unwrap().is_none_or(|task| task.state != state) {
            tokio::time::sleep(MOMENT).await;
        }
        idle(&worker).await;
        let begun = Instant::now();
        waiting.signal("go", &number).await.unwrap();
        let result = waiting.result().await.unwrap();
        times.stent.push(begun.elapsed());
        assert_eq!(result, number);
        idle(&worker).await;
        times.raw.extend(floor.commits(COMMITS).await);
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
    for (times, each) in [(&mut times.stent, 1), (&mut times.raw, COMMITS)] {
        times.drain(..usize::try_from(BEFORE * each).unwrap());
        times.sort();
    }
    let at = |times: &[Duration], part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    let row = |part| Row::new(format!("{what} p{part}"), "ms", at(&times.stent, part)).floor(at(&times.raw, part));
    [50, 95, 99].map(row).into()
}
