//! Time is skipped from one event to the next, and stands still while anything runs.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use stent_core::RetryPolicy;
use stent_executor::prelude::*;
use stent_testkit::{TestError, TestStent, local, run_local};
use tokio::sync::Semaphore;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[durable]
async fn remind(ctx: Ctx, times: u32) -> Result<String> {
    for _ in 0..times {
        ctx.sleep("1d").await?;
    }
    Ok(ctx.now().to_string())
}

#[durable]
async fn hourly(ctx: Ctx, times: u32) -> Result<u32> {
    for round in 0..times {
        ctx.sleep("1h").await?;
        ctx.step("check", async || Ok::<_, Failure>(round)).await?;
    }
    Ok(times)
}

/// Fails as often as it is told to.
#[durable(retry(max_attempts = 4, initial_delay = "1d", factor = 2.0, max_delay = "100d", jitter = 0.0))]
async fn stubborn(ctx: Ctx, failures: u32) -> Result<u32> {
    if ctx.attempt() <= failures { Err(Failure::msg("not yet")) } else { Ok(ctx.attempt()) }
}

#[durable]
async fn patient(ctx: Ctx) -> Result<u32> {
    let policy = RetryPolicy::builder().max_attempts(5).initial_delay("1h").factor(2.0).max_delay("1w").jitter(0.0);
    let mut attempts = 0;
    ctx.step("call", || {
        attempts += 1;
        let attempt = attempts;
        async move { if attempt < 5 { Err(Failure::msg("busy")) } else { Ok(attempt) } }
    })
    .retry(policy.build()?)
    .await
}

#[durable]
async fn bounded(ctx: Ctx) -> Result<String> {
    match ctx.call(remind(30)).timeout("36h").await {
        Ok(text) => Ok(text),
        Err(failure) => Ok(failure.class().to_string()),
    }
}

/// The clock's reading around something real.
#[durable]
async fn wait_for_something_real(ctx: Ctx) -> Result<(String, String)> {
    let world = ctx.resource::<World>()?;
    ctx.step("wait", async || {
        let before = world.now();
        world.gate.acquire().await?.forget();
        Ok::<_, Failure>((before, world.now()))
    })
    .await
}

#[durable]
async fn open_tomorrow(ctx: Ctx) -> Result<()> {
    ctx.sleep("1d").await?;
    ctx.resource::<World>()?.gate.add_permits(1);
    Ok(())
}

/// What is outside of the program; it can read the test's clock.
struct World {
    gate: Semaphore,
    test: OnceLock<TestStent>,
}

impl World {
    fn now(&self) -> String {
        self.test.get().unwrap().now().to_string()
    }
}

#[tokio::test]
async fn a_month_of_waits_takes_no_time() {
    let started = Instant::now();
    assert_eq!(run_local(remind(30)).await.unwrap(), "2030-01-31T00:00:00.000000");
    let test = local(functions![hourly]).start().await.unwrap();
    let month = test.dispatch(hourly(24 * 30)).await.unwrap();
    assert_eq!(month.result().await.unwrap(), 720);
    assert_eq!(test.elapsed(), DAY * 30);
    assert!(started.elapsed() < Duration::from_secs(30), "750 waits took {:?}", started.elapsed());
}

#[tokio::test]
async fn time_moves_by_what_is_skipped_and_no_further() {
    let test = local(functions![remind]).start().await.unwrap();
    let execution = test.dispatch(remind(2)).await.unwrap();
    test.settle().await.unwrap();
    assert_eq!(test.elapsed(), Duration::ZERO);
    test.skip("47h").await.unwrap();
    assert_eq!(test.elapsed(), HOUR * 47);
    assert!(!execution.status().await.unwrap().is_final());
    test.skip("1h").await.unwrap();
    assert!(execution.status().await.unwrap().is_final());
    test.skip("30d").await.unwrap();
    assert_eq!(test.elapsed(), DAY * 32);
    assert_eq!(execution.result().await.unwrap(), "2030-01-03T00:00:00.000000");
}

#[tokio::test]
async fn what_is_skipped_is_lived_through_event_by_event() {
    let test = local(functions![hourly]).start().await.unwrap();
    let execution = test.dispatch(hourly(48)).await.unwrap();
    test.skip("2d").await.unwrap();
    assert!(execution.status().await.unwrap().is_final(), "a step was late, and all after it");
}

/// C-Y1
#[tokio::test]
async fn the_delays_of_a_functions_retries_are_skipped() {
    let test = local(functions![stubborn]).start().await.unwrap();
    assert_eq!(test.dispatch(stubborn(3)).await.unwrap().result().await.unwrap(), 4);
    assert_eq!(test.elapsed(), DAY * (1 + 2 + 4));
}

/// C-Y7
#[tokio::test]
async fn the_delays_of_a_steps_retries_are_skipped() {
    let test = local(functions![patient]).start().await.unwrap();
    assert_eq!(test.dispatch(patient()).await.unwrap().result().await.unwrap(), 5);
    assert_eq!(test.elapsed(), HOUR * (1 + 2 + 4 + 8));
}

/// C-T3
#[tokio::test]
async fn a_deadline_passes_to_the_moment() {
    let test = local(functions![remind]).start().await.unwrap();
    let execution = test.dispatch(remind(30).max_duration("36h")).await.unwrap();
    let error = execution.result().await.unwrap_err();
    assert_eq!(error.to_string(), "the execution's deadline passed");
    assert_eq!(test.elapsed(), HOUR * 36);
}

/// C-T1
#[tokio::test]
async fn the_timeout_of_a_call_passes_to_the_moment() {
    let test = local(functions![bounded, remind]).start().await.unwrap();
    assert_eq!(test.dispatch(bounded()).await.unwrap().result().await.unwrap(), "Elapsed");
    assert_eq!(test.elapsed(), HOUR * 36);
}

async fn stands_still() {
    let world = World { gate: Semaphore::new(0), test: OnceLock::new() };
    let test = local(functions![open_tomorrow, wait_for_something_real])
        .resource(world)
        .patience("500ms")
        .start()
        .await
        .unwrap();
    let world = test.resource::<World>().unwrap();
    world.test.set(test.clone()).unwrap();
    let (_opener, waiter) =
        (test.dispatch(open_tomorrow()).await.unwrap(), test.dispatch(wait_for_something_real()).await.unwrap());
    // If time passed, the gate would be opened, and all would be over in time.
    assert!(matches!(test.skip("3d").await, Err(TestError::Restless { .. })));
    assert_eq!(test.elapsed(), Duration::ZERO);
    world.gate.add_permits(1);
    test.skip("3d").await.unwrap();
    assert_eq!(test.elapsed(), DAY * 3);
    let (before, after) = waiter.result().await.unwrap();
    assert_eq!((before.as_str(), after.as_str()), ("2030-01-01T00:00:00.000000", before.as_str()));
}

#[tokio::test]
async fn time_stands_still_while_a_step_awaits_something_real() {
    stands_still().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn time_stands_still_for_a_test_of_many_threads_too() {
    stands_still().await;
}
