//! What waiting costs, on SQLite: `cargo bench -p stent-scenarios --bench waiting -- [SLEEPERS] [WAITERS]`, by default 100,000 sleeping executions and
//! 10,000 that wait for a signal. Nothing is asserted about time.
#![expect(clippy::unwrap_used, reason = "a benchmark ends by it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stent_core::backend::ExecutionFilter;
use stent_core::execution::ExecutionState;
use stent_executor::Stent;
use stent_executor::prelude::*;
use stent_scenarios::Bench;

#[durable]
async fn sleeps(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.sleep("30d").await?;
    Ok(number)
}

#[durable]
async fn waits(ctx: Ctx) -> Result<u32> {
    ctx.signal("go").await
}

#[durable]
async fn works(number: u32) -> Result<u32> {
    Ok(number)
}

/// Dispatched at once.
const BATCH: u32 = 1_000;
/// Executions of the work that waiting is to leave alone, a round.
const WORK: u32 = 5_000;
const ROUNDS: usize = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let count = |at: usize, default: u32| numbers.get(at).copied().unwrap_or(default);
    sleepers(count(0, 100_000)).await;
    waiters(count(1, 10_000)).await;
}

/// Executions that sleep for a month.
async fn sleepers(count: u32) {
    let bench = Bench::sqlite();
    let stent = bench.stent(functions![sleeps]).await;
    let worker = bench.worker(stent.worker()).await;
    bench.pass(Duration::from_secs(5)).await;
    let idle = memory();
    println!("{count} executions that sleep for 30 days, SQLite");

    let begun = Instant::now();
    for first in (0..count).step_by(BATCH as usize) {
        stent.dispatch_all((first..(first + BATCH).min(count)).map(sleeps)).await.unwrap();
    }
    report("dispatched", begun, count);
    bench.settle().await;
    bench.pass(Duration::from_secs(11)).await;
    report("all suspended", begun, count);
    assert_eq!(in_state(&stent, ExecutionState::Suspended).await, u64::from(count));
    println!("  memory above an idle worker     {:>8.1} MB", memory() - idle);

    let before = calls(&bench);
    bench.pass(Duration::from_secs(60)).await;
    let of_a_minute: BTreeMap<_, _> = calls(&bench)
        .into_iter()
        .map(|(name, number)| (name, number - before.get(name).copied().unwrap_or(0)))
        .filter(|(_, number)| *number > 0)
        .collect();
    println!("  calls of the store in an idle minute: {of_a_minute:?}");

    let begun = Instant::now();
    bench.clock.advance(Duration::from_secs(30 * 24 * 60 * 60));
    while in_state(&stent, ExecutionState::Completed).await < u64::from(count) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bench.clock.advance(Duration::from_millis(50));
    }
    report("woken and completed", begun, count);
    println!("  memory above an idle worker     {:>8.1} MB", memory() - idle);
    worker.stop().await.unwrap();
}

/// Other work beside executions that wait for a signal, on two slots: the same work without them, in turns.
async fn waiters(count: u32) {
    println!("{WORK} executions of other work beside {count} that wait for a signal, 2 slots, SQLite");
    let (empty, full) = (Bench::sqlite(), Bench::sqlite());
    let functions = || functions![waits, works];
    let (alone, beside) = (empty.stent(functions()).await, full.stent(functions()).await);
    let _workers =
        (empty.worker(alone.worker().concurrency(2)).await, full.worker(beside.worker().concurrency(2)).await);
    for first in (0..count).step_by(BATCH as usize) {
        beside.dispatch_all((first..(first + BATCH).min(count)).map(|_| waits())).await.unwrap();
    }
    full.settle().await;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let (without, with) = (work(&alone).await, work(&beside).await);
        println!(
            "  alone {:>6.2} s, beside {:>6.2} s: {:.2} times",
            without.as_secs_f64(),
            with.as_secs_f64(),
            with.as_secs_f64() / without.as_secs_f64()
        );
        ratios.push(with.as_secs_f64() / without.as_secs_f64());
    }
    ratios.sort_by(f64::total_cmp);
    println!("  median {:.2} times", ratios[ROUNDS / 2]);
}

async fn work(stent: &Stent) -> Duration {
    let begun = Instant::now();
    let mut executions = Vec::new();
    for first in (0..WORK).step_by(BATCH as usize) {
        executions.extend(stent.dispatch_all((first..first + BATCH).map(works)).await.unwrap());
    }
    for execution in executions {
        execution.result().await.unwrap();
    }
    begun.elapsed()
}

async fn in_state(stent: &Stent, state: ExecutionState) -> u64 {
    let filter = ExecutionFilter { states: vec![state], ..ExecutionFilter::default() };
    stent.backend().count_executions(&filter).await.unwrap()
}

fn calls(bench: &Bench) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    bench.plan.calls().into_iter().for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

fn report(what: &str, begun: Instant, count: u32) {
    let time = begun.elapsed().as_secs_f64();
    println!("  {what:<31} {time:>8.1} s, {:.0}/s", f64::from(count) / time);
}

/// What the process holds in memory, in MB.
fn memory() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident: f64 = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    resident * 4_096.0 / 1e6
}
