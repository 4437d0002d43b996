//! What a test does while an execution waits: look, send, cancel.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use stent_core::RetryPolicy;
use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_testkit::local;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[durable]
async fn approve(ctx: Ctx, order: u64) -> Result<String> {
    match ctx.signal::<String>("approval").timeout("7d").await? {
        Some(by) => Ok(format!("order {order} was approved by {by}")),
        None => Ok(format!("order {order} was not approved")),
    }
}

#[durable]
async fn ship(ctx: Ctx, order: u64) -> Result<String> {
    let approval = ctx.call(approve(order)).await?;
    ctx.sleep("1d").await?;
    Ok(approval)
}

/// Starts an execution of its own.
#[durable]
async fn delegate(ctx: Ctx) -> Result<stent_core::ExecutionId> {
    ctx.dispatch(ship(3)).await
}

/// Polls every hour, and waits in memory for the next time.
#[durable]
async fn poll(ctx: Ctx) -> Result<()> {
    let policy = RetryPolicy::builder().initial_delay("1h").max_delay("1h").max_attempts(10_000).build()?;
    let polls = ctx.resource::<Polls>()?;
    ctx.step("poll", async || {
        polls.0.fetch_add(1, Ordering::SeqCst);
        Err::<(), _>(Failure::msg("not yet"))
    })
    .retry(policy)
    .await
}

#[derive(Default)]
struct Polls(AtomicU32);

/// Lets another poll, but not for long.
#[durable]
async fn let_poll(ctx: Ctx) -> Result<u32> {
    select! {
        polled = ctx.call(poll()) => polled?,
        slept = ctx.sleep("150m") => slept?,
    }
    ctx.sleep("30d").await?;
    Ok(ctx.resource::<Polls>()?.0.load(Ordering::SeqCst))
}

/// C-S2, C-S4
#[tokio::test]
async fn a_signal_that_is_sent_in_time_is_taken_and_one_that_is_not_times_out() {
    let test = local(functions![approve, ship]).start().await.unwrap();
    let (approved, forgotten) = (test.dispatch(ship(1)).await.unwrap(), test.dispatch(ship(2)).await.unwrap());
    test.skip("3d").await.unwrap();
    assert_eq!(approved.status().await.unwrap(), ExecutionState::Suspended);
    let why = approved.why().await.unwrap();
    assert!(why[1].to_string().ends_with("until 2030-01-08T00:00:00.000000 at the latest"), "{}", why[1]);
    approved.signal("approval", "Ada").await.unwrap();
    assert_eq!(approved.result().await.unwrap(), "order 1 was approved by Ada");
    assert_eq!(test.elapsed(), DAY * 4);
    assert_eq!(forgotten.result().await.unwrap(), "order 2 was not approved");
    assert_eq!(test.elapsed(), DAY * 8);
}

#[tokio::test]
async fn a_signal_that_is_sent_before_the_wait_is_there_when_it_begins() {
    let test = local(functions![approve]).start().await.unwrap();
    let execution = test.dispatch(approve(1)).await.unwrap();
    execution.signal("approval", "Bob").await.unwrap();
    assert_eq!(execution.result().await.unwrap(), "order 1 was approved by Bob");
    assert_eq!(test.elapsed(), Duration::ZERO);
}

/// C-Y6
#[tokio::test]
async fn an_execution_that_a_function_dispatched_can_be_waited_for() {
    let test = local(functions![approve, delegate, ship]).start().await.unwrap();
    let id = test.dispatch(delegate()).await.unwrap().result().await.unwrap();
    assert_eq!(test.execution::<String>(id).result().await.unwrap(), "order 3 was not approved");
}

/// C-X1
#[tokio::test]
async fn code_that_waits_in_memory_does_not_go_on_once_its_execution_is_cancelled() {
    let test = local(functions![poll]).resource(Polls::default()).start().await.unwrap();
    let execution = test.dispatch(poll()).await.unwrap();
    test.skip("2h").await.unwrap();
    let polls = test.resource::<Polls>().unwrap();
    let before = polls.0.load(Ordering::SeqCst);
    assert!(before >= 2);
    execution.cancel().await.unwrap();
    test.skip("30d").await.unwrap();
    assert_eq!(polls.0.load(Ordering::SeqCst), before);
    assert_eq!(execution.result().await.unwrap_err().to_string(), "the execution was cancelled");
}

/// C-R9
#[tokio::test]
async fn code_that_waits_in_memory_does_not_go_on_once_its_caller_gave_it_up() {
    let polls = local(functions![poll]).resource(Polls::default()).run(let_poll()).await.unwrap();
    // At once, and after one and two hours, give or take the jitter.
    assert!((2..=4).contains(&polls), "{polls} polls");
}
