//! What a retry does with a journal: nothing was made, it fails, it resumes, it restarts (C-Y3).

use std::io;

use stent_core::journal::EntryKind;
use stent_core::retry::OnRetry::{Fail, Restart, Resume};
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{ExecutionState, StentError};
use stent_scenarios::{Bench, Stage, on_every_backend, work};

use crate::scene::{class, dead_letters, eventually, failure, journaled, quick, quickly, staged, tasks};

fn broken(text: &str) -> io::Error {
    io::Error::other(text.to_owned())
}

/// Works without an operation.
#[durable]
async fn leaf(ctx: Ctx) -> Result<u32> {
    work(&ctx, "leaf", "0s").await?;
    Ok(ctx.attempt())
}

/// Two steps, and work of its own.
#[durable]
async fn steps(ctx: Ctx) -> Result<u32> {
    ctx.step("a", || work(&ctx, "a", "0s")).await?;
    ctx.step("b", || work(&ctx, "b", "0s")).retry(RetryPolicy::none()).await?;
    work(&ctx, "end", "0s").await?;
    Ok(ctx.attempt())
}

/// C-Y3: what made no operation is run afresh, whatever the policy says of journals.
async fn without_an_operation_a_function_runs_afresh(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![leaf]).await;
    for on_retry in [Fail, Resume, Restart] {
        stage.fail("leaf", 2, broken("it"));
        let execution = process.stent.dispatch(leaf().retry(quickly(3, on_retry))).await.unwrap();
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 3);
        assert_eq!(tasks(&bench, execution.id()).await[0].generation, 0);
    }
    assert_eq!(bench.ledger.count("leaf"), 9);
}

/// C-Y3: by default, what made an operation fails for good, attempts or not.
async fn with_an_operation_a_function_fails_for_good(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![steps]).await;
    for (case, fails) in ["b", "end"].into_iter().enumerate() {
        stage.fail(fails, 1, broken("it"));
        let execution = process.stent.dispatch(steps().retry(quickly(3, Fail))).await.unwrap();
        assert_eq!(class(bench.until("the end", execution.result()).await), "Error");
        assert_eq!((bench.ledger.count("a"), bench.ledger.count("b")), (case + 1, case + 1));
    }
}

/// C-Y3: the failed operation is reopened, and what completed does not run again. The task's attempts go on.
async fn a_resume_goes_on_with_the_operation_that_failed(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![steps]).await;
    stage.fail("b", 2, broken("it"));
    let execution = process.stent.dispatch(steps().retry(quickly(3, Resume))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 3);
    assert_eq!(bench.ledger.all(), ["a", "b", "b", "b", "end"]);

    stage.fail("b", 9, broken("it"));
    let execution = process.stent.dispatch(steps().retry(quickly(3, Resume))).await.unwrap();
    assert_eq!(failure(bench.until("the end", execution.result()).await).message(), "it");
    assert_eq!((bench.ledger.count("a"), bench.ledger.count("b")), (2, 6), "no more than its attempts");
}

/// C-Y1, C-Y3
async fn a_class_that_is_not_retried_is_not_resumed(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![steps]).await;
    stage.fail("b", 1, broken("it"));
    let policy = quick(3).retry_for(["Other"]).on_retry(Resume).build().unwrap();
    let execution = process.stent.dispatch(steps().retry(policy)).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    assert_eq!(bench.ledger.all(), ["a", "b"]);
}

/// C-Y3: a failure of its own code resumes at the journal's end.
async fn a_failure_of_its_own_code_resumes_at_the_journals_end(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![steps]).await;
    stage.fail("end", 2, broken("it"));
    let execution = process.stent.dispatch(steps().retry(quickly(3, Resume))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 3);
    assert_eq!(bench.ledger.all(), ["a", "b", "end", "end", "end"]);
}

/// C-Y3: a new journal.
async fn a_restart_begins_anew(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![steps]).await;
    stage.fail("b", 1, broken("it"));
    stage.fail("end", 1, broken("it"));
    let execution = process.stent.dispatch(steps().retry(quickly(3, Restart))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 3);
    assert_eq!(bench.ledger.all(), ["a", "b", "a", "b", "end", "a", "b", "end"]);
    assert_eq!(tasks(&bench, execution.id()).await[0].generation, 2);
}

/// Works, and sleeps for long.
#[durable]
async fn slow(ctx: Ctx) -> Result<u32> {
    ctx.step("prepare", || work(&ctx, "prepare", "0s")).await?;
    ctx.sleep("1m").await?;
    Ok(ctx.attempt())
}

/// Lets a step fail while a child is open.
#[durable]
async fn beside(ctx: Ctx) -> Result<u32> {
    let child = ctx.call(slow());
    let step = ctx.step("b", async || {
        ctx.resource::<stent_scenarios::Gates>()?.pass("b").await;
        work(&ctx, "b", "0s").await
    });
    try_join!(child, step.retry(RetryPolicy::none())).map(|(attempt, ())| attempt)
}

/// C-Y3: what the old journal left open is cancelled, and the new one makes its own.
async fn a_restart_cancels_what_was_open(bench: Bench) {
    let stage = Stage::on(&bench).await;
    // A step that waits holds a slot, and its child needs one.
    let process = stage.process(&bench, functions![beside, slow], |worker| worker.concurrency(2).lease("1h")).await;
    stage.fail("b", 1, broken("it"));
    let execution = process.stent.dispatch(beside().retry(quickly(2, Restart))).await.unwrap();
    let is_asleep = async || tasks(&bench, execution.id()).await.len() == 2;
    eventually("the child is there", is_asleep).await;
    journaled(&bench, tasks(&bench, execution.id()).await[1].id, EntryKind::Made, 1).await;
    bench.gates.open("b");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    let mut states: Vec<_> = tasks(&bench, execution.id()).await.iter().map(|task| task.state).collect();
    states.sort_unstable();
    assert_eq!(states, [TaskState::Completed, TaskState::Completed, TaskState::Cancelled]);
    assert_eq!(bench.ledger.count("prepare"), 2);
}

/// C-Y3: what its failure cancelled goes on where it was.
async fn a_resume_takes_up_again_what_the_failure_cancelled(bench: Bench) {
    let stage = Stage::on(&bench).await;
    // A step that waits holds a slot, and its child needs one.
    let process = stage.process(&bench, functions![beside, slow], |worker| worker.concurrency(2).lease("1h")).await;
    stage.fail("b", 1, broken("it"));
    let execution = process.stent.dispatch(beside().retry(quickly(2, Resume))).await.unwrap();
    let is_asleep = async || tasks(&bench, execution.id()).await.len() == 2;
    eventually("the child is there", is_asleep).await;
    journaled(&bench, tasks(&bench, execution.id()).await[1].id, EntryKind::Made, 1).await;
    bench.gates.open("b");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    let all = tasks(&bench, execution.id()).await;
    assert_eq!(all.iter().map(|task| task.state).collect::<Vec<_>>(), [TaskState::Completed; 2]);
    assert_eq!((bench.ledger.count("prepare"), bench.ledger.count("b")), (1, 2));
}

/// Calls [`leaf`] by a policy of two attempts.
#[durable]
async fn middle(ctx: Ctx) -> Result<u32> {
    ctx.step("before", || work(&ctx, "before", "0s")).await?;
    ctx.call(leaf().retry(quick(2).build()?)).await
}

/// Calls [`middle`], which does not resume by itself.
#[durable]
async fn top(ctx: Ctx) -> Result<u32> {
    ctx.step("first", || work(&ctx, "first", "0s")).await?;
    ctx.call(middle()).await
}

/// C-Y3, C-Y5: through all levels down to the cause, with fresh attempts, and its dead letter is gone.
async fn a_resume_reopens_a_child_down_to_the_cause(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
    stage.fail("leaf", 3, broken("it"));
    let execution = process.stent.dispatch(top().retry(quickly(2, Resume))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 2, "fresh attempts");
    assert_eq!(bench.ledger.all(), ["first", "before", "leaf", "leaf", "leaf", "leaf"]);
    assert_eq!(tasks(&bench, execution.id()).await.len(), 3, "nothing was made anew");
    assert!(dead_letters(&bench).await.is_empty());

    stage.fail("leaf", 9, broken("it"));
    let execution = process.stent.dispatch(top().retry(quickly(2, Resume))).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    assert_eq!(bench.ledger.count("leaf"), 8);
    assert_eq!(dead_letters(&bench).await.len(), 1, "and one again if it fails again");
}

/// Takes back what it did when a child fails.
#[durable]
async fn compensates(ctx: Ctx) -> Result<u32> {
    match ctx.call(leaf().retry(RetryPolicy::none())).await {
        Err(failure) => {
            ctx.step("undo", || work(&ctx, "undo", "0s")).await?;
            Err(failure)
        }
        done => done,
    }
}

/// C-Y3: a failure that was compensated is history: no resume, and no redrive either.
async fn what_was_compensated_is_not_resumed(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![compensates, leaf]).await;
    stage.fail("leaf", 1, broken("it"));
    let execution = process.stent.dispatch(compensates().retry(quickly(3, Resume))).await.unwrap();
    assert_eq!(class(bench.until("the end", execution.result()).await), "Error");
    assert_eq!(bench.ledger.all(), ["leaf", "undo"]);
    let refused = execution.redrive().await.unwrap_err();
    assert!(matches!(&refused, StentError::Redrive(_)), "{refused}");
    let text = refused.to_string();
    assert!(text.contains(&execution.id().root().to_string()) && text.contains("made operations after"), "{text}");
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Failed);
    assert_eq!(bench.ledger.all(), ["leaf", "undo"], "nothing ran twice");
}

/// Goes on without a child's result.
#[durable]
async fn handles(ctx: Ctx) -> Result<u32> {
    let value = ctx.call(leaf().retry(RetryPolicy::none())).await.unwrap_or(0);
    ctx.step("after", || work(&ctx, "after", "0s")).await?;
    work(&ctx, "end", "0s").await?;
    Ok(value)
}

/// C-Y3: a failure that was handled is history: what failed later is resumed, and the child does not run again.
async fn what_was_handled_stays_handled(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![handles, leaf]).await;
    stage.fail("leaf", 1, broken("it"));
    stage.fail("end", 1, broken("it"));
    let execution = process.stent.dispatch(handles().retry(quickly(3, Resume))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 0);
    assert_eq!(bench.ledger.all(), ["leaf", "after", "end", "end"]);
}

/// An item of a map.
#[durable]
async fn item(ctx: Ctx, number: u32) -> Result<u32> {
    work(&ctx, format!("item {number}"), "0s").await?;
    Ok(number)
}

/// The third item fails; those after it are not due yet.
#[durable]
async fn maps(ctx: Ctx) -> Result<Vec<u32>> {
    let calls = (0..6).map(|number| {
        let call = item(number).retry(RetryPolicy::none());
        if number > 3 { call.delay("1h") } else { call }
    });
    ctx.map(calls).chunk(6).await
}

/// C-Y3, C-M3, C-M5: the failed items of a map, and those that its failure cancelled; completed ones do not run again.
async fn a_resume_goes_on_with_the_open_items_of_a_map(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![maps, item]).await;
    stage.fail("item 3", 1, broken("it"));
    let execution = process.stent.dispatch(maps().retry(quickly(2, Resume))).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [0, 1, 2, 3, 4, 5]);
    let runs: Vec<_> = (0..6).map(|number| bench.ledger.count(&format!("item {number}"))).collect();
    assert_eq!(runs, [1, 1, 1, 2, 1, 1]);
    assert_eq!(tasks(&bench, execution.id()).await.len(), 7, "no item was made anew");
    assert!(dead_letters(&bench).await.is_empty());
}

on_every_backend![
    without_an_operation_a_function_runs_afresh,
    with_an_operation_a_function_fails_for_good,
    a_resume_goes_on_with_the_operation_that_failed,
    a_class_that_is_not_retried_is_not_resumed,
    a_failure_of_its_own_code_resumes_at_the_journals_end,
    a_restart_begins_anew,
    a_restart_cancels_what_was_open,
    a_resume_takes_up_again_what_the_failure_cancelled,
    a_resume_reopens_a_child_down_to_the_cause,
    what_was_compensated_is_not_resumed,
    what_was_handled_stays_handled,
    a_resume_goes_on_with_the_open_items_of_a_map,
];
