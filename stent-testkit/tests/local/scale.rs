//! Many tasks: maps, limits, children.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stent_executor::prelude::*;
use stent_testkit::local;

#[durable]
async fn double(number: u64) -> Result<u64> {
    Ok(number * 2)
}

#[durable]
async fn double_all(ctx: Ctx, numbers: u64) -> Result<u64> {
    ctx.map_fold((0..numbers).map(double), 0, |sum, _, number| sum + number).await
}

/// Holds a place for an hour, and counts how many do at once.
#[durable(max_concurrent = 10)]
async fn rent(ctx: Ctx) -> Result<u32> {
    let rented = ctx.resource::<Rented>()?;
    let at_once = ctx.step("take", async || Ok::<_, Failure>(rented.0.fetch_add(1, Ordering::SeqCst) + 1)).await?;
    ctx.sleep("1h").await?;
    ctx.step("give back", async || Ok::<_, Failure>(rented.0.fetch_sub(1, Ordering::SeqCst))).await?;
    Ok(at_once)
}

#[derive(Default)]
struct Rented(AtomicU32);

#[durable]
async fn rent_all(ctx: Ctx, rents: u32) -> Result<u32> {
    ctx.map_fold((0..rents).map(|_| rent()), 0, |most: u32, _, at_once| most.max(at_once)).await
}

/// The sum of the numbers below, over a tree of children.
#[durable]
async fn sum(ctx: Ctx, from: u64, to: u64) -> Result<u64> {
    if to - from == 1 {
        ctx.sleep("1h").await?;
        return Ok(from);
    }
    let middle = from.midpoint(to);
    let (left, right) = try_join!(ctx.call(sum(from, middle)), ctx.call(sum(middle, to)))?;
    Ok(left + right)
}

/// C-M1
#[tokio::test]
async fn a_map_of_ten_thousand_items() {
    assert_eq!(local(functions![double]).run(double_all(10_000)).await.unwrap(), 99_990_000);
}

/// C-Q3
#[tokio::test]
async fn a_limited_function_takes_its_time_by_the_clock_alone() {
    let test = local(functions![rent, rent_all]).resource(Rented::default()).start().await.unwrap();
    assert_eq!(test.dispatch(rent_all(200)).await.unwrap().result().await.unwrap(), 10);
    assert_eq!(test.elapsed(), Duration::from_secs(20 * 60 * 60));
}

#[tokio::test]
async fn a_tree_of_children_sleeps_at_once() {
    let test = local(functions![sum]).start().await.unwrap();
    assert_eq!(test.dispatch(sum(0, 64)).await.unwrap().result().await.unwrap(), 2_016);
    assert_eq!(test.elapsed(), Duration::from_secs(60 * 60));
}
