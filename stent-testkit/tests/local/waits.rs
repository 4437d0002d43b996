//! What a test does while an execution waits: look, send, cancel.

use std::time::Duration;

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

/// Polls until it is cancelled.
#[durable]
async fn poll(ctx: Ctx) -> Result<()> {
    loop {
        let policy = stent_core::RetryPolicy::builder().initial_delay("1h").max_delay("1h").max_attempts(1_000);
        let polls = ctx.resource::<std::sync::atomic::AtomicU32>()?;
        ctx.step("poll", async || {
            polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Err::<(), _>(Failure::msg("not yet"))
        })
        .retry(policy.build()?)
        .await?;
    }
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
    let test = local(functions![poll]).resource(std::sync::atomic::AtomicU32::new(0)).start().await.unwrap();
    let execution = test.dispatch(poll()).await.unwrap();
    test.skip("2h").await.unwrap();
    let polls = test.resource::<std::sync::atomic::AtomicU32>().unwrap();
    assert!(polls.load(std::sync::atomic::Ordering::SeqCst) >= 2);
    execution.cancel().await.unwrap();
    let before = polls.load(std::sync::atomic::Ordering::SeqCst);
    test.skip("30d").await.unwrap();
    assert_eq!(polls.load(std::sync::atomic::Ordering::SeqCst), before);
    assert_eq!(execution.result().await.unwrap_err().to_string(), "the execution was cancelled");
}
