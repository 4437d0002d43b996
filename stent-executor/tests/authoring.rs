//! What users write, run on the reference model: calls, steps, sleeps, maps, joins, signals, retries.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::atomic::{AtomicU32, Ordering};

use stent_executor::prelude::*;
use stent_executor::{Stent, Worker};
use stent_testkit::memory::MemoryBackend;

#[derive(Default)]
struct Runs(AtomicU32);

#[durable]
async fn double(number: u64) -> Result<u64> {
    Ok(number * 2)
}

#[durable(retry(max_attempts = 3, initial_delay = "1ms"))]
async fn flaky(ctx: Ctx) -> Result<u32> {
    let runs = ctx.resource::<Runs>()?;
    match runs.0.fetch_add(1, Ordering::SeqCst) {
        attempt @ 0..2 => Err(std::io::Error::other(format!("attempt {attempt}")))?,
        attempt => Ok(attempt),
    }
}

#[durable]
async fn everything(ctx: Ctx, number: u64) -> Result<String> {
    let doubled = ctx.call(double(number)).await?;
    let word = ctx.step("word", || async { Ok::<_, Failure>(format!("<{doubled}>")) }).await?;
    ctx.sleep("1ms").await?;
    let (left, right) = try_join!(ctx.call(double(1)), ctx.step("two", async || Ok::<_, Failure>(2_u64)))?;
    let mapped = ctx.map((0..10).map(double)).chunk(3).await?;
    let sum = ctx.map_fold((0..10).map(double), 0_u64, |sum, _, item| sum + item).chunk(4).await?;
    let first = select! {
        value = ctx.call(double(3)) => value?,
        _ = ctx.sleep("1h") => 0,
    };
    Ok(format!("{word} {left} {right} {mapped:?} {sum} {first}"))
}

#[durable]
async fn joins(ctx: Ctx, children: u64) -> Result<u64> {
    let calls = (0..children).map(|number| ctx.call(double(number)));
    let results = futures_util::future::try_join_all(calls).await?;
    Ok(results.into_iter().sum())
}

#[durable]
async fn retried(ctx: Ctx) -> Result<u32> {
    ctx.call(flaky()).await
}

async fn start(concurrency: usize) -> (Stent, Worker) {
    let functions = functions![double, flaky, everything, joins, retried];
    let stent =
        Stent::builder(MemoryBackend::new()).functions(functions).resource(Runs::default()).build().await.unwrap();
    let worker = stent.worker().concurrency(concurrency).start().await.unwrap();
    (stent, worker)
}

#[tokio::test]
async fn a_function_does_everything() {
    let (stent, worker) = start(2).await;
    let result = stent.dispatch(everything(21)).await.unwrap().result().await.unwrap();
    assert_eq!(result, "<42> 2 2 [0, 2, 4, 6, 8, 10, 12, 14, 16, 18] 90 6");
    worker.drain().await.unwrap();
}

/// C-Q4: a parent that waits holds no slot.
#[tokio::test]
async fn a_parent_joins_a_hundred_children_on_one_slot() {
    let (stent, _worker) = start(1).await;
    assert_eq!(stent.dispatch(joins(100)).await.unwrap().result().await.unwrap(), 9_900);
}

/// C-Y1
#[tokio::test]
async fn a_failed_child_is_retried_and_its_parent_is_not_run_again() {
    let (stent, _worker) = start(1).await;
    assert_eq!(stent.dispatch(retried()).await.unwrap().result().await.unwrap(), 2);
}
