//! What several of these tests use.

use std::path::PathBuf;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection};
use stent_core::TaskId;
use stent_core::backend::TaskFilter;
use stent_core::journal::EntryKind;
use stent_core::retry::{OnRetry, RetryPolicyBuilder};
use stent_core::task::TaskRecord;
use stent_executor::prelude::*;
use stent_executor::{DeadLetter, DeadLetterFilter, ExecutionError, ExecutionId, Page, Registration};
use stent_scenarios::{Bench, Gates, Ledger, Process, Stage, soon};

/// Writes down what a function does.
pub(crate) fn note(ctx: &Ctx, effect: impl Into<String>) {
    ctx.resource::<Ledger>().unwrap().note(effect);
}

/// Does that as the code of a step.
pub(crate) async fn noted(ctx: &Ctx, effect: &str) -> Result<()> {
    note(ctx, effect);
    Ok(())
}

/// Writes down that its code was dropped.
struct Leaves(Ctx, String);

impl Drop for Leaves {
    fn drop(&mut self) {
        note(&self.0, format!("{} left", self.1));
    }
}

/// Runs until the gate of its name is open. Writes down when its code begins, as `name begins n` with the attempt, and when it is dropped, as
/// `name left`.
#[durable]
pub(crate) async fn hold(ctx: Ctx, name: String) -> Result<u32> {
    note(&ctx, format!("{name} begins {}", ctx.attempt()));
    let _leaves = Leaves(ctx.clone(), name.clone());
    ctx.resource::<Gates>()?.pass(&name).await;
    Ok(ctx.attempt())
}

/// Retries without a delay.
pub(crate) fn quick(attempts: u32) -> RetryPolicyBuilder {
    RetryPolicy::builder().max_attempts(attempts).initial_delay("0s")
}

/// Such a policy with a rule for journals.
pub(crate) fn quickly(attempts: u32, on_retry: OnRetry) -> RetryPolicy {
    quick(attempts).on_retry(on_retry).build().unwrap()
}

/// The failure that an execution ended with.
pub(crate) fn failure<T: std::fmt::Debug>(ended: Result<T, ExecutionError>) -> Failure {
    let error = ended.unwrap_err();
    error.failure().cloned().unwrap_or_else(|| panic!("{error}"))
}

/// The class of that failure.
pub(crate) fn class<T: std::fmt::Debug>(ended: Result<T, ExecutionError>) -> String {
    failure(ended).class().to_string()
}

/// A process with a worker of one slot on a stage, which loses no claim by time that passes.
pub(crate) async fn staged(bench: &Bench, stage: &Stage, functions: Vec<Registration>) -> Process {
    stage.process(bench, functions, |worker| worker.concurrency(1).lease("1h")).await
}

/// A process with a worker of one slot, which loses no claim by time that passes.
pub(crate) async fn working(bench: &Bench, functions: Vec<Registration>) -> Process {
    bench.process(functions).await.work(bench, |worker| worker.concurrency(1).lease("1h")).await
}

/// A process is gone, and its claims have run out, as if the time of their leases had passed.
pub(crate) async fn kill(bench: &Bench, process: Process) {
    let worker = process.worker().id();
    process.die(bench).await;
    bench.backend().await.lapse(bench.now(), worker).await.unwrap();
}

/// Changes a file by hand: a statement whose parameters are a text and the id of a task.
pub(crate) async fn by_hand(file: PathBuf, statement: &str, text: &str, task: TaskId) {
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    let statement = sqlx::query(AssertSqlSafe(statement)).bind(text).bind(task.as_bytes().to_vec());
    assert_eq!(statement.execute(&mut connection).await.unwrap().rows_affected(), 1);
    connection.close().await.unwrap();
}

/// The tasks of an execution, the root first, the others by when they were made.
pub(crate) async fn tasks(bench: &Bench, execution: ExecutionId) -> Vec<TaskRecord> {
    let filter = TaskFilter { execution: Some(execution), ..TaskFilter::default() };
    let mut tasks = bench.backend().await.list_tasks(&filter, Page::first(1_000)).await.unwrap();
    tasks.sort_by_key(|task| (task.depth > 0, task.created_at));
    tasks
}

/// Waits until this is so in the store, without time passing.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// Waits until the journal of a task has so many entries of a kind.
pub(crate) async fn journaled(bench: &Bench, task: TaskId, kind: EntryKind, count: usize) {
    let backend = bench.backend().await;
    eventually(&format!("{count} entries {kind}"), async || {
        let journal = backend.list_journal(task, Page::first(1_000)).await.unwrap();
        journal.iter().filter(|entry| entry.body.kind() == kind).count() == count
    })
    .await;
}

/// All dead letters, the oldest first.
pub(crate) async fn dead_letters(bench: &Bench) -> Vec<DeadLetter> {
    let all = bench.backend().await.list_dead_letters(&DeadLetterFilter::default(), Page::first(1_000)).await;
    let mut letters = all.unwrap();
    letters.sort_by_key(|letter| letter.at);
    letters
}
