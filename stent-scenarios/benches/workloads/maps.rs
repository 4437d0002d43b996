//! W3: one map over many items that do nothing.

use std::time::Instant;

use crate::functions::{fold, nothing, sum};
use crate::queue;
use crate::report::{Row, per_second};
use crate::setup::{Setup, client};
use crate::worker::{Orders, WorkerProcess};

/// Items.
const SIZES: [u32; 3] = [10_000, 100_000, 300_000];
/// Items of a chunk.
const CHUNKS: [u32; 3] = [1_000, 5_000, 10_000];
/// Journal rows that are not chunks: the map and its end, and a few.
const REST: u32 = 10;
/// Memory above that of an idle worker that is held to be little, in MB.
const MEMORY: f64 = 64.0;

/// A map, and what it took.
struct Map {
    rate: f64,
    /// MB above the idle worker's.
    memory: f64,
    tasks: i64,
    progress: i64,
    journal: i64,
}

pub(crate) async fn run(setup: &Setup) -> Vec<Row> {
    let store = setup.database.store().await;
    let drain = queue::measure(setup, &store).await.drain();
    store.close().await;
    let mut rows = Vec::new();
    for chunk in CHUNKS {
        let mut first = None;
        for items in SIZES.into_iter().filter(|items| setup.is_long || *items == SIZES[0]) {
            eprintln!("  {items} items by {chunk}");
            let map = measure(setup, items, chunk, false).await;
            let what = format!("{items} by {chunk}");
            rows.extend(figures(&what, items, chunk, &map, drain));
            let first = *first.get_or_insert(map.rate);
            if items > SIZES[0] {
                rows.push(Row::new(format!("{what} to {}", SIZES[0]), "items/s", map.rate).floor(first));
            }
        }
    }
    let most = if setup.is_long { SIZES[2] } else { SIZES[0] };
    let map = measure(setup, most, CHUNKS[0], true).await;
    rows.extend(figures(&format!("{most} folded"), most, CHUNKS[0], &map, drain));
    rows
}

fn figures(what: &str, items: u32, chunk: u32, map: &Map, drain: f64) -> Vec<Row> {
    let chunks = f64::from(items.div_ceil(chunk));
    let number = |count: i64| f64::from(u32::try_from(count).unwrap());
    vec![
        Row::new(what, "items/s", map.rate).floor(drain),
        Row::new(format!("{what} memory"), "MB", map.memory).floor(MEMORY),
        Row::new(format!("{what} task rows"), "rows", number(map.tasks)).floor(f64::from(items)),
        Row::new(format!("{what} progress"), "rows", number(map.progress)).floor(chunks + f64::from(REST)),
        Row::new(format!("{what} journal"), "rows", number(map.journal)).floor(chunks + f64::from(REST)),
    ]
}

async fn measure(setup: &Setup, items: u32, chunk: u32, folds: bool) -> Map {
    let store = setup.database.store().await;
    let stent = client(&store.place).await;
    let mut worker = WorkerProcess::open(setup, &Orders::new(setup, &store.place), "W3").await;
    worker.begin().await;
    worker.ready().await;
    // Idle, once it has worked.
    for number in 0..10 {
        stent.dispatch(nothing(number)).await.unwrap().result().await.unwrap();
    }
    let idle = worker.memory().now;
    worker.forget_peak();
    let begun = Instant::now();
    let execution = match folds {
        true => stent.dispatch(fold(items, chunk)).await.unwrap(),
        false => stent.execution(stent.dispatch(sum(items, chunk)).await.unwrap().id()),
    };
    let total = execution.result().await.unwrap();
    let rate = per_second(items, begun.elapsed());
    assert_eq!(total, (0..u64::from(items)).sum::<u64>());
    let memory = worker.memory().peak - idle;
    let mut probe = store.place.probe().await;
    let map = Map {
        rate,
        memory,
        tasks: probe.number("SELECT count(*) FROM tasks WHERE parent IS NOT NULL").await,
        progress: probe.number("SELECT count(*) FROM journal WHERE kind IN ('note', 'chunk')").await,
        journal: probe.number("SELECT count(*) FROM journal").await,
    };
    worker.stop().await;
    store.close().await;
    map
}
