//! What always fails: how often it runs, what is said of it, and how many dead letters it leaves.

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::ExecutionError;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Stage, at_every_concurrency, work};

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ValueError(&'static str);

#[durable(retry(max_attempts = 2, initial_delay = "100ms"))]
async fn fail_always(ctx: Ctx) -> Result<u32, ValueError> {
    // Nothing is scripted, and the context has what it needs.
    let _ = work(&ctx, "fail_always", "100ms").await;
    Err(ValueError("Something went wrong"))
}

#[durable]
async fn failing_flow(ctx: Ctx) -> Result<u32> {
    Ok(ctx.call(fail_always()).await? + 1)
}

/// A level more, whose functions may be tried three times as any may.
#[durable]
async fn flow_of_flows(ctx: Ctx) -> Result<u32> {
    Ok(ctx.call(failing_flow()).await? + 1)
}

/// C-Y1, C-Y3, C-Y5, B9, B52, B53: the leaf alone is tried again, and what it says comes through unchanged.
async fn the_leaf_runs_twice_and_its_error_comes_through(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let functions = functions![fail_always, failing_flow];
    let process = stage.process(&bench, functions, |worker| worker.concurrency(concurrency)).await;
    let execution = process.stent.dispatch(failing_flow()).await.unwrap();
    let error = bench.until("the failure", execution.result()).await.unwrap_err();
    assert_says_what_the_leaf_said(&error);
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Failed);
    assert_eq!(bench.ledger.all(), ["fail_always", "fail_always"]);
    assert_one_dead_letter(&bench, 2).await;
    let tasks = bench.tasks(execution.id()).await;
    let told: Vec<_> = tasks.iter().map(|task| (task.state, task.attempt, task.failure.is_some())).collect();
    assert_eq!(told, [(TaskState::Failed, 1, true), (TaskState::Failed, 2, true)]);
}

/// C-Y3, C-Y5, B9: attempts do not multiply by the levels above.
async fn three_levels_fail_as_often_as_their_leaf(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let functions = functions![fail_always, failing_flow, flow_of_flows];
    let process = stage.process(&bench, functions, |worker| worker.concurrency(concurrency)).await;
    let execution = process.stent.dispatch(flow_of_flows()).await.unwrap();
    let error = bench.until("the failure", execution.result()).await.unwrap_err();
    assert_says_what_the_leaf_said(&error);
    assert_eq!(bench.ledger.count("fail_always"), 2);
    assert_one_dead_letter(&bench, 2).await;
    let tasks = bench.tasks(execution.id()).await;
    assert_eq!(tasks.iter().map(|task| task.attempt).collect::<Vec<_>>(), [1, 1, 2]);
}

/// C-Y1: by the policy of the call, where it has one of its own.
async fn the_leaf_runs_as_often_as_its_call_says(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let process = stage.process(&bench, functions![fail_always], |worker| worker.concurrency(concurrency)).await;
    for attempts in [1, 3] {
        let before = bench.ledger.all().len();
        let policy = stent_core::RetryPolicy::builder().max_attempts(attempts).build().unwrap();
        let execution = process.stent.dispatch(fail_always().retry(policy)).await.unwrap();
        assert_says_what_the_leaf_said(&bench.until("the failure", execution.result()).await.unwrap_err());
        assert_eq!(bench.ledger.all().len() - before, usize::try_from(attempts).unwrap());
    }
}

fn assert_says_what_the_leaf_said(error: &ExecutionError) {
    let failure = error.failure().unwrap();
    assert_eq!((failure.class().as_str(), failure.message()), ("ValueError", "Something went wrong"));
    assert!(failure.record().chain.is_empty(), "{failure:?}");
    assert!(failure.record().origin.as_ref().unwrap().function.as_str().ends_with("::fail_always"));
}

async fn assert_one_dead_letter(bench: &Bench, attempts: u32) {
    let letters = bench.dead_letters().await;
    let [letter] = &*letters else { panic!("{letters:?}") };
    assert!(letter.function.as_str().ends_with("::fail_always"), "{letter:?}");
    assert_eq!((letter.attempts, letter.failure.message()), (attempts, "Something went wrong"));
}

at_every_concurrency![
    the_leaf_runs_twice_and_its_error_comes_through,
    three_levels_fail_as_often_as_their_leaf,
    the_leaf_runs_as_often_as_its_call_says,
];
