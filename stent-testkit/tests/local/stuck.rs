//! Runs that do not come to a good end say why, and never hang.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use stent_executor::StentError;
use stent_executor::prelude::*;
use stent_testkit::{TestError, local, run_local};

#[durable]
async fn approve(ctx: Ctx) -> Result<bool> {
    ctx.sleep("1h").await?;
    ctx.signal::<bool>("approval").await
}

#[durable]
async fn buy(ctx: Ctx) -> Result<bool> {
    ctx.call(approve()).await
}

#[durable]
async fn unpredictable(ctx: Ctx) -> Result<()> {
    let runs = ctx.resource::<AtomicU32>()?.fetch_add(1, Ordering::SeqCst);
    if runs == 0 { ctx.sleep("1h").await } else { ctx.signal::<()>("more").await }
}

#[durable]
async fn endless(ctx: Ctx) -> Result<()> {
    loop {
        ctx.sleep("1d").await?;
    }
}

#[durable]
async fn hang(ctx: Ctx) -> Result<()> {
    ctx.step("hang", std::future::pending::<Result<()>>).await
}

#[derive(Debug, thiserror::Error, ErrorClass)]
enum CardError {
    #[error("the card was declined")]
    Declined,
}

#[durable]
async fn declined() -> Result<(), CardError> {
    Err(CardError::Declined)
}

#[durable]
async fn await_outside(ctx: Ctx) -> Result<()> {
    ctx.sleep("1h").await?;
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(())
}

#[durable]
async fn elsewhere() -> Result<()> {
    Ok(())
}

#[durable]
async fn call_elsewhere(ctx: Ctx) -> Result<()> {
    ctx.call(elsewhere()).await
}

#[tokio::test]
async fn a_run_that_waits_for_a_signal_that_nobody_sends_ends_and_names_it() {
    let started = Instant::now();
    let error = local(functions![approve]).run(buy()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(&error, TestError::Stuck { why, .. } if why.len() == 2), "{text}");
    assert!(text.contains("can never end: no code runs, nothing is due"), "{text}");
    assert!(text.contains("waits for signal approval since 2030-01-01T01:00:00.000000"), "{text}");
    assert!(started.elapsed() < Duration::from_secs(10));

    // The same of one that is in memory when it gets stuck.
    let in_memory = local(functions![approve]).worker(|worker| worker.early_replays(0));
    assert_eq!(in_memory.run(buy()).await.unwrap_err().to_string(), text);
}

#[tokio::test]
async fn a_call_of_a_function_that_was_not_registered_is_named_and_what_to_do() {
    let error = run_local(call_elsewhere()).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("stuck::elsewhere"), "{text}");
    assert!(text.contains("has the function; add it to functions![…]"), "{text}");

    let test = local(functions![buy]).start().await.unwrap();
    let error = test.dispatch(elsewhere()).await.unwrap_err();
    assert!(matches!(error, TestError::Stent(StentError::Call(_))), "{error}");
    assert!(error.to_string().contains("stuck::elsewhere"), "{error}");
}

/// C-R4
#[tokio::test]
async fn code_that_is_not_deterministic_is_found_at_its_first_wait() {
    let error = local([]).resource(AtomicU32::new(0)).run(unpredictable()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TestError::Nondeterminism { .. }), "{text}");
    assert!(text.contains("stuck::unpredictable does not replay"), "{text}");
}

#[tokio::test]
async fn a_loop_without_end_is_given_up_after_the_tests_patience() {
    let error = local([]).patience("300ms").run(endless()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TestError::Restless { from, to, .. } if to.since(from) > Duration::from_secs(86_400)));
    assert!(text.starts_with("not at rest after 300ms of real time"), "{text}");
    assert!(text.contains("stuck::endless"), "{text}");
}

#[tokio::test]
async fn a_step_that_never_ends_is_given_up_and_named() {
    let error = local([]).patience("300ms").run(hang()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TestError::Restless { .. }), "{text}");
    assert!(text.contains("stuck::hang") && text.contains("runs on worker"), "{text}");

    let test = local(functions![hang]).patience("300ms").start().await.unwrap();
    let execution = test.dispatch(hang()).await.unwrap();
    assert!(test.settle().await.unwrap_err().to_string().contains("stuck::hang"));
    assert!(test.until(std::future::pending::<()>()).await.is_err());
    execution.cancel().await.unwrap();
    test.settle().await.unwrap();
}

#[tokio::test]
async fn a_failure_is_the_functions_own() {
    let error = run_local(declined()).await.unwrap_err();
    assert_eq!(error.failure().unwrap().class().to_string(), "CardError::Declined");
    assert_eq!(format!("{error:?}"), "the execution failed: the card was declined");
}

/// C-R8
#[tokio::test]
async fn an_await_outside_of_the_context_fails() {
    let error = run_local(await_outside()).await.unwrap_err();
    assert_eq!(error.failure().unwrap().class().to_string(), "ForeignAwait");
}
