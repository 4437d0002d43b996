//! The workloads: each gives the figures of one run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stent_core::Backend;
use stent_core::backend::ExecutionFilter;
use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_executor::{Stent, Worker};

use crate::database::Database;
use crate::functions::{nothing, sums, ten_calls, ten_steps, waits};
use crate::report::Row;

/// Executions of W1.
const QUEUED: u32 = 10_000;
/// Executions of W2, of ten operations each.
const SEQUENCES: u32 = 1_000;
/// Items of W3, and a chunk of it.
const MAPS: [(u32, u32); 5] =
    [(10_000, 1_000), (100_000, 1_000), (300_000, 1_000), (300_000, 5_000), (300_000, 10_000)];
/// Round trips of W4.
const ROUND_TRIPS: usize = 200;
/// Tasks at once, in what is measured by the second.
const CONCURRENCY: usize = 500;

async fn program(backend: &Arc<dyn Backend>) -> Stent {
    let functions = functions![nothing, ten_steps, ten_calls, sums, waits];
    Stent::with_backend(Arc::clone(backend)).functions(functions).build().await.unwrap()
}

async fn work(stent: &Stent) -> Worker {
    stent.worker().concurrency(CONCURRENCY).start().await.unwrap()
}

/// Waits until so many executions have completed.
async fn completed(stent: &Stent, count: u32) {
    let filter = ExecutionFilter { states: vec![ExecutionState::Completed], ..ExecutionFilter::default() };
    while stent.backend().count_executions(&filter).await.unwrap() < u64::from(count) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn rate(metric: impl Into<String>, unit: &'static str, count: u32, time: Duration, floor: Option<f64>) -> Row {
    Row { metric: metric.into(), unit, stent: f64::from(count) / time.as_secs_f64(), floor }
}

fn per_second(count: u32, time: Duration) -> f64 {
    f64::from(count) / time.as_secs_f64()
}

/// W1: 10,000 calls that do nothing, dispatched in one batch and then drained.
pub(crate) async fn queue(database: Database) -> Vec<Row> {
    let mut floor = database.floor().await;
    let inserted = floor.insert(QUEUED, 1_000).await;
    let drained = floor.drain().await;
    floor.close().await;
    let (backend, _folder) = database.store().await;
    let stent = program(&backend).await;
    let begun = Instant::now();
    stent.dispatch_all((0..QUEUED).map(nothing)).await.unwrap();
    let dispatched = begun.elapsed();
    let begun = Instant::now();
    let worker = work(&stent).await;
    completed(&stent, QUEUED).await;
    let completed = begun.elapsed();
    worker.stop().await.unwrap();
    vec![
        rate("dispatch", "executions/s", QUEUED, dispatched, Some(per_second(QUEUED, inserted))),
        rate("drain", "executions/s", QUEUED, completed, Some(per_second(QUEUED, drained))),
    ]
}

/// W2: 1,000 executions of ten steps, and of ten calls, one after the other.
pub(crate) async fn sequences(database: Database) -> Vec<Row> {
    let mut floor = database.floor().await;
    let commits = 1.0 / floor.commit(2_000).await.as_secs_f64();
    floor.close().await;
    let mut rows = Vec::new();
    for metric in ["steps", "calls"] {
        let (backend, _folder) = database.store().await;
        let stent = program(&backend).await;
        match metric {
            "steps" => drop(stent.dispatch_all((0..SEQUENCES).map(ten_steps)).await.unwrap()),
            _ => drop(stent.dispatch_all((0..SEQUENCES).map(ten_calls)).await.unwrap()),
        }
        let begun = Instant::now();
        let worker = work(&stent).await;
        completed(&stent, SEQUENCES).await;
        rows.push(rate(metric, "operations/s", SEQUENCES * 10, begun.elapsed(), Some(commits)));
        worker.stop().await.unwrap();
    }
    rows
}

/// W3: a map over many items.
async fn map(database: Database, items: u32, chunk: u32) -> Vec<Row> {
    let (backend, _folder) = database.store().await;
    let stent = program(&backend).await;
    let worker = work(&stent).await;
    stent.dispatch(nothing(0)).await.unwrap().result().await.unwrap();
    let idle = memory();
    let begun = Instant::now();
    let execution = stent.dispatch(sums(items, chunk)).await.unwrap();
    let sum = execution.result().await.unwrap();
    let time = begun.elapsed();
    assert_eq!(sum, (0..u64::from(items)).sum::<u64>());
    let grown = memory() - idle;
    worker.stop().await.unwrap();
    let what = format!("{items} by {chunk}");
    vec![rate(what.clone(), "items/s", items, time, None), Row { metric: what, unit: "MB", stent: grown, floor: None }]
}

pub(crate) async fn maps(database: Database) -> Vec<Row> {
    let mut rows = Vec::new();
    for (items, chunk) in MAPS {
        rows.extend(map(database, items, chunk).await);
    }
    rows
}

/// W4: one call at a time, from its dispatch to its result; from a signal to what waits for it.
pub(crate) async fn latency(database: Database) -> Vec<Row> {
    let mut floor = database.floor().await;
    let commit = floor.commit(500).await.as_secs_f64() * 1e3;
    floor.close().await;
    let (backend, _folder) = database.store().await;
    let stent = program(&backend).await;
    let worker = work(&stent).await;
    let (mut calls, mut signals) = (Vec::new(), Vec::new());
    for number in 0..ROUND_TRIPS as u32 + 10 {
        let begun = Instant::now();
        stent.dispatch(nothing(number)).await.unwrap().result().await.unwrap();
        calls.push(begun.elapsed());
        let waiting = stent.dispatch(waits()).await.unwrap();
        while !worker.is_idle() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let begun = Instant::now();
        waiting.signal("go", &number).await.unwrap();
        waiting.result().await.unwrap();
        signals.push(begun.elapsed());
    }
    worker.stop().await.unwrap();
    let mut rows = Vec::new();
    for (what, times) in [("call", &mut calls), ("signal, resident", &mut signals)] {
        times.drain(..10);
        times.sort();
        for (name, part) in [("p50", 50), ("p95", 95), ("p99", 99)] {
            let at = times[times.len() * part / 100].as_secs_f64() * 1e3;
            let floor = (name == "p50").then_some(commit);
            rows.push(Row { metric: format!("{what} {name}"), unit: "ms", stent: at, floor });
        }
    }
    rows
}

/// What the process holds in memory, in MB.
fn memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    resident * 4_096.0 / 1e6
}
