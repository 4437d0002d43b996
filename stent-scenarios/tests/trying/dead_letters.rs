//! What fails for good: one dead letter a root cause (C-Y5).

use std::io;
use std::time::Duration;

use stent_executor::prelude::*;
use stent_executor::{
    DeadLetterFilter, ExecutionId, ExecutionState, FunctionName, Page, RedriveTarget, RefusedRedrive, StentError,
    TaskId,
};
use stent_scenarios::{Bench, Stage, on_every_backend, work};

use crate::scene::{dead_letters, failure, staged, tasks};

const HOUR: Duration = Duration::from_secs(3_600);

pub(crate) fn broken() -> io::Error {
    io::Error::other("the disk is full")
}

/// Fails as the stage tells it.
#[durable(queue = "disk", retry(max_attempts = 2, initial_delay = "0s"))]
pub(crate) async fn leaf(ctx: Ctx) -> Result<u32> {
    work(&ctx, "leaf", "0s").await?;
    Ok(ctx.attempt())
}

/// Passes [`leaf`]'s failure on.
#[durable]
pub(crate) async fn middle(ctx: Ctx) -> Result<u32> {
    ctx.step("before", || work(&ctx, "before", "0s")).await?;
    ctx.call(leaf()).await
}

/// Passes it on once more.
#[durable]
pub(crate) async fn top(ctx: Ctx) -> Result<u32> {
    ctx.step("first", || work(&ctx, "first", "0s")).await?;
    let attempt = ctx.call(middle()).await?;
    ctx.step("last", || work(&ctx, "last", "0s")).await?;
    Ok(attempt)
}

/// The first task of this function in an execution.
pub(crate) async fn task_of(bench: &Bench, execution: ExecutionId, function: &str) -> TaskId {
    let all = tasks(bench, execution).await;
    all.iter().find(|task| task.function.ends_with(&format!("::{function}"))).unwrap().id
}

/// C-Y5, B9: the leaf runs as often as its own policy says, and nobody else runs again.
async fn one_cause_through_three_levels_is_one_dead_letter(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
    stage.fail("leaf", 99, broken());
    let execution = process.stent.dispatch(top()).await.unwrap();
    let failure = failure(bench.until("the end", execution.result()).await);
    assert_eq!((failure.class().as_str(), failure.message()), ("Error", "the disk is full"));
    assert_eq!(bench.ledger.all(), ["first", "before", "leaf", "leaf"]);

    let letters = dead_letters(&bench).await;
    assert_eq!(letters.len(), 1);
    let cause = task_of(&bench, execution.id(), "leaf").await;
    let origin = failure.record().origin.clone().unwrap();
    assert_eq!((letters[0].task, origin.task), (cause, cause));
    assert!(origin.function.ends_with("::leaf"));
}

/// C-Y5: a dead letter is a snapshot, in the transaction that completes.
async fn a_dead_letter_is_a_snapshot(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![top, middle, leaf]).await;
    stage.fail("leaf", 99, broken());
    bench.leap(HOUR).await;
    let execution = process.stent.dispatch(leaf()).await.unwrap();
    let failure = failure(bench.until("the end", execution.result()).await);
    let letter = process.stent.dead_letter(execution.id().root()).await.unwrap();
    assert_eq!((letter.task, letter.execution), (execution.id().root(), execution.id()));
    assert_eq!(letter.queue.as_deref(), Some("disk"));
    assert_eq!((letter.attempts, letter.retry.max_attempts()), (2, 2));
    assert_eq!((&letter.failure, letter.at), (&failure, bench.now()));
    assert_eq!(letter.input.as_bytes(), b"null");
    let record = process.stent.list(&Default::default(), Page::first(10)).await.unwrap().remove(0);
    assert_eq!(
        (record.state, record.failure, record.ended_at),
        (ExecutionState::Failed, Some(failure), Some(letter.at))
    );
}

#[derive(Debug, thiserror::Error, ErrorClass)]
enum Booking {
    #[error("no room left")]
    Room(#[from] Failure),
}

#[derive(Debug, thiserror::Error)]
#[error("no trip: {inner}")]
struct Trip {
    #[source]
    inner: Box<dyn std::error::Error + Send + Sync>,
}

/// Fails with an error of its own type, of which the child's is the source.
#[durable]
async fn books(ctx: Ctx) -> Result<u32, Booking> {
    Ok(ctx.call(leaf()).await?)
}

/// Wraps once more, with a box between.
#[durable]
async fn travels(ctx: Ctx) -> Result<u32> {
    let booked = ctx.call(books()).await.map_err(Booking::Room);
    Ok(booked.map_err(|error| Trip { inner: Box::new(error) })?)
}

/// C-Y5: whoever holds the failure in the sources of its error passes it on.
async fn a_failure_that_is_wrapped_is_passed_on(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![travels, books, leaf]).await;
    stage.fail("leaf", 2, broken());
    let execution = process.stent.dispatch(travels()).await.unwrap();
    let failure = failure(bench.until("the end", execution.result()).await);
    assert_eq!((failure.class().as_str(), failure.message()), ("Trip", "no trip: no room left"));
    assert_eq!(failure.record().chain, ["no room left", "no room left", "the disk is full"]);
    let cause = task_of(&bench, execution.id(), "leaf").await;
    assert_eq!(failure.record().origin.clone().unwrap().task, cause);
    assert_eq!(dead_letters(&bench).await.iter().map(|letter| letter.task).collect::<Vec<_>>(), [cause]);

    execution.redrive().await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert!(dead_letters(&bench).await.is_empty());
}

/// Says what happened, and drops the cause.
#[durable]
async fn retells(ctx: Ctx) -> Result<u32, String> {
    ctx.call(leaf()).await.map_err(|error| format!("it did not work: {error}"))
}

/// C-Y5: an error that drops it is a cause of its own; the child's is not what the execution failed with.
async fn an_error_that_drops_the_cause_is_a_cause_of_its_own(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![retells, leaf]).await;
    stage.fail("leaf", 99, broken());
    let execution = process.stent.dispatch(retells()).await.unwrap();
    let failure = failure(bench.until("the end", execution.result()).await);
    assert_eq!((failure.class().as_str(), failure.message()), ("String", "it did not work: the disk is full"));
    let (root, child) = (execution.id().root(), task_of(&bench, execution.id(), "leaf").await);
    assert_eq!(failure.record().origin.clone().unwrap().task, root);
    let mut letters: Vec<_> = dead_letters(&bench).await.iter().map(|letter| letter.task).collect();
    letters.sort_unstable_by_key(|task| *task == root);
    assert_eq!(letters, [child, root]);
    let refused = process.stent.redrive(RedriveTarget::DeadLetter(child)).await.unwrap_err();
    assert!(matches!(refused, StentError::Redrive(RefusedRedrive::NotResumable { task, .. }) if task == root));
}

/// Goes on without its child.
#[durable]
async fn forgives(ctx: Ctx) -> Result<u32> {
    Ok(ctx.call(leaf()).await.unwrap_or(0))
}

/// C-Y5, B52: the child failed for good, and who handled that has failed at nothing.
async fn a_handled_failure_leaves_its_own_dead_letter_alone(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![forgives, leaf]).await;
    stage.fail("leaf", 2, broken());
    let execution = process.stent.dispatch(forgives()).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 0);
    let letters = dead_letters(&bench).await;
    assert_eq!(
        letters.iter().map(|letter| letter.task).collect::<Vec<_>>(),
        [task_of(&bench, execution.id(), "leaf").await]
    );
    let refused = process.stent.redrive(RedriveTarget::DeadLetter(letters[0].task)).await.unwrap_err();
    assert!(matches!(refused, StentError::Redrive(RefusedRedrive::State(ExecutionState::Completed))), "{refused}");
    assert_eq!(bench.ledger.count("leaf"), 2);
}

/// Handles its child's failure, and fails by itself.
#[durable]
async fn stumbles(ctx: Ctx) -> Result<u32> {
    let value = ctx.call(leaf()).await.unwrap_or(0);
    work(&ctx, "own", "0s").await?;
    Ok(value)
}

/// C-Y5: the refusal names who handled the failure; what the execution did fail with can be redriven.
async fn a_handled_failure_is_refused_with_who_handled_it(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![stumbles, leaf]).await;
    stage.fail("leaf", 2, broken());
    stage.fail("own", 1, broken());
    let execution = process.stent.dispatch(stumbles().retry(RetryPolicy::none())).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    let (root, child) = (execution.id().root(), task_of(&bench, execution.id(), "leaf").await);
    let refused = process.stent.redrive(RedriveTarget::DeadLetter(child)).await.unwrap_err();
    assert!(matches!(refused, StentError::Redrive(RefusedRedrive::NotResumable { task, .. }) if task == root));
    process.stent.redrive(RedriveTarget::DeadLetter(root)).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 0);
    assert_eq!(bench.ledger.all(), ["leaf", "leaf", "own", "own"]);
}

/// C-Y5: by execution, by function, a page at a time, and as many as there are.
async fn dead_letters_are_listed_and_discarded(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![retells, leaf]).await;
    stage.fail("leaf", 99, broken());
    let mut executions = Vec::new();
    for _ in 0..3 {
        let execution = process.stent.dispatch(retells().retry(RetryPolicy::none())).await.unwrap();
        bench.until("the end", execution.result()).await.unwrap_err();
        executions.push(execution.id());
    }
    let leaves = FunctionName::new(format!("{}::leaf", module_path!())).unwrap();
    let of = async |filter: DeadLetterFilter| process.stent.dead_letters(&filter, Page::first(100)).await.unwrap();
    assert_eq!(of(DeadLetterFilter { function: Some(leaves.clone()), ..Default::default() }).await.len(), 3);
    let one = of(DeadLetterFilter { execution: Some(executions[1]), ..Default::default() }).await;
    assert!(one.len() == 2 && one.iter().all(|letter| letter.execution == executions[1]));
    let both = DeadLetterFilter { execution: Some(executions[2]), function: Some(leaves) };
    assert_eq!(of(both).await.len(), 1);

    let (mut seen, mut page) = (Vec::new(), Page::first(4));
    loop {
        let letters = process.stent.dead_letters(&DeadLetterFilter::default(), page).await.unwrap();
        let Some(last) = letters.last() else { break };
        assert!(letters.len() <= 4);
        page.after = Some(last.task);
        seen.extend(letters.into_iter().map(|letter| letter.task));
    }
    assert!(seen.len() == 6 && seen.is_sorted(), "{seen:?}");
    process.stent.discard_dead_letter(seen[0]).await.unwrap();
    assert!(matches!(process.stent.dead_letter(seen[0]).await, Err(StentError::NotFound { .. })));
    assert!(matches!(process.stent.discard_dead_letter(seen[0]).await, Err(StentError::NotFound { .. })));
    assert_eq!(dead_letters(&bench).await.len(), 5);
}

#[durable(retry(max_attempts = 1))]
async fn part(ctx: Ctx, number: u32) -> Result<u32> {
    work(&ctx, format!("part {number}"), "0s").await?;
    Ok(number)
}

/// C-Y5: a map fails with its item's failure, and passes it on.
async fn a_failed_item_is_the_cause_of_its_map(bench: Bench) {
    #[durable]
    async fn many(ctx: Ctx) -> Result<Vec<u32>> {
        ctx.map((0..3).map(part)).chunk(1).await
    }
    let stage = Stage::on(&bench).await;
    let process = staged(&bench, &stage, functions![many, part]).await;
    stage.fail("part 1", 1, broken());
    let execution = process.stent.dispatch(many()).await.unwrap();
    let failed = failure(bench.until("the end", execution.result()).await);
    assert_eq!((failed.message(), failed.record().item), ("the disk is full", Some(1)));
    let letters = dead_letters(&bench).await;
    assert_eq!(letters.len(), 1);
    process.stent.redrive(RedriveTarget::DeadLetter(letters[0].task)).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [0, 1, 2]);
    assert_eq!((bench.ledger.count("part 0"), bench.ledger.count("part 1")), (1, 2));
}

on_every_backend![
    one_cause_through_three_levels_is_one_dead_letter,
    a_dead_letter_is_a_snapshot,
    a_failure_that_is_wrapped_is_passed_on,
    an_error_that_drops_the_cause_is_a_cause_of_its_own,
    a_handled_failure_leaves_its_own_dead_letter_alone,
    a_handled_failure_is_refused_with_who_handled_it,
    dead_letters_are_listed_and_discarded,
    a_failed_item_is_the_cause_of_its_map,
];
