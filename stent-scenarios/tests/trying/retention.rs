//! Retention: what ended long ago is deleted, all of it, and nothing else (C-X3).

use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection, Row};
use stent_core::backend::{Maintenance, TaskFilter};
use stent_executor::prelude::*;
use stent_executor::{
    DeadLetterFilter, Execution, ExecutionError, ExecutionFilter, ExecutionId, Page, RedriveTarget, RefusedRedrive,
    Stent, StentError,
};
use stent_scenarios::{Bench, Process, on_every_backend, soon};

use crate::scene::{eventually, tasks};

const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Leaves something in every table.
#[durable(retry(max_attempts = 1))]
async fn fat(ctx: Ctx, well: bool) -> Result<u32> {
    ctx.progress("began");
    ctx.counter("count")?.add(1)?;
    ctx.value("value")?.set(&1)?;
    ctx.step("one", async || Ok::<_, Failure>(())).await?;
    ctx.map((0..5).map(shared)).chunk(2).await?;
    let _: u32 = ctx.signal("go").await?;
    ctx.call(once(well)).await
}

/// Shares its results for an hour.
#[durable(cached(ttl = "1h"))]
async fn shared(number: u32) -> Result<u32> {
    Ok(number)
}

/// Runs once, and shares nothing if it fails.
#[durable(idempotent, max_concurrent = 3, retry(max_attempts = 1))]
async fn once(well: bool) -> Result<u32> {
    if well { Ok(7) } else { bail!("not well") }
}

/// Sleeps for a year.
#[durable]
async fn sleeps(ctx: Ctx) -> Result<u32> {
    ctx.progress("sleeps");
    ctx.call(shared(7)).await?;
    ctx.sleep("365d").await?;
    Ok(7)
}

/// Fills a journal.
#[durable]
async fn long(ctx: Ctx, notes: u32) -> Result<()> {
    (0..notes).for_each(|number| ctx.progress(format!("{number}")));
    Ok(())
}

async fn keeping(bench: &Bench, retention: Option<&'static str>) -> Process {
    let process = bench.process(functions![fat, shared, once, sleeps, long]).await;
    process.work(bench, |worker| worker.lease("1h").suspend_after("0s").retention(retention)).await
}

/// Dispatches a [`fat`] with a key, and waits for its end; something unread is left in a slot.
async fn ended(bench: &Bench, stent: &Stent, well: bool) -> Execution<u32> {
    let execution = stent.dispatch(fat(well).dedup(format!("key {well}"))).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    execution.signal("other", &"unread").await.unwrap();
    execution.signal("go", &1).await.unwrap();
    assert_eq!(bench.until("the end", execution.result()).await.is_ok(), well);
    execution
}

/// How many rows each table of a file has.
async fn rows(bench: &Bench) -> Vec<(String, i64)> {
    let Some(file) = bench.file() else { return Vec::new() };
    let mut connection = SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(file)).await.unwrap();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let tables = sqlx::query(tables).fetch_all(&mut connection).await.unwrap();
    let mut counts = Vec::new();
    for table in tables {
        let name: String = table.get(0);
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {name}"));
        let count: i64 = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
        counts.push((name, count));
    }
    counts
}

/// Waits until all that is known of executions is gone.
async fn all_gone(bench: &Bench, stent: &Stent) {
    let is_gone = async || stent.backend().count_tasks(&TaskFilter::default()).await.unwrap() == 0;
    eventually("everything is deleted", is_gone).await;
    bench.settle().await;
}

/// C-X3, B35, B68: every table, dead letters, reservations and expired memo included.
async fn nothing_is_left_of_what_ended_long_ago(bench: Bench) {
    let process = keeping(&bench, Some("2h")).await;
    let stent = &process.stent;
    let (well, ill) = (ended(&bench, stent, true).await, ended(&bench, stent, false).await);
    let empty: Vec<_> = rows(&bench).await.into_iter().filter(|(_, rows)| *rows == 0).map(|(name, _)| name).collect();
    // Of those that are empty only waits were in use: they end with the waiting.
    assert!(empty.iter().all(|name| name == "waits"), "this test leaves nothing in {empty:?}");
    assert_eq!(stent.dead_letters(&DeadLetterFilter::default(), Page::first(9)).await.unwrap().len(), 1);

    bench.leap(4 * HOUR).await;
    all_gone(&bench, stent).await;
    for execution in [well, ill] {
        assert!(matches!(execution.status().await, Err(ExecutionError::NotFound)));
        assert!(matches!(execution.variables().await, Err(ExecutionError::NotFound)));
        assert!(matches!(execution.progress(Page::first(9)).await, Err(ExecutionError::NotFound)));
        assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::NotFound)));
    }
    assert!(stent.dead_letters(&DeadLetterFilter::default(), Page::first(9)).await.unwrap().is_empty());
    let left: Vec<_> = rows(&bench).await.into_iter().filter(|(_, rows)| *rows > 0).collect();
    // The worker that lives; the limit that is configured; the result that is shared for ever.
    let kept = [("limits", 1), ("memos", 1), ("workers", 1)].map(|(name, rows)| (name.to_owned(), rows));
    assert!(left == kept || bench.file().is_none(), "{left:?}");
    // A dedup key lasts as long as its execution.
    stent.dispatch(fat(false).dedup("key true").delay("1h")).await.unwrap();
}

/// C-X3: as long as told, to the end; what is open stays, however old, with all that ended below it.
async fn what_is_younger_or_open_stays(bench: Bench) {
    let process = keeping(&bench, Some("2h")).await;
    let stent = &process.stent;
    let open = stent.dispatch(sleeps().dedup("open")).await.unwrap();
    let scheduled = stent.dispatch(shared(1).delay("300d")).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    let old = stent.dispatch(long(1)).await.unwrap();
    bench.until("the result", old.result()).await.unwrap();
    bench.leap(YEAR / 2).await;
    let is_gone = async || matches!(old.status().await, Err(ExecutionError::NotFound));
    eventually("the old one is gone", is_gone).await;
    let young = stent.dispatch(long(1)).await.unwrap();
    bench.until("the result", young.result()).await.unwrap();
    // At least one more round of it, in which the young one has not ended long ago.
    let rounds = process.plan.calls().iter().filter(|call| **call == "prune").count();
    bench.leap(2 * HOUR - Duration::from_secs(10)).await;
    let prunes = || process.plan.calls().iter().filter(|call| **call == "prune").count();
    bench.sees("a round of retention", || prunes() > rounds).await;
    young.status().await.unwrap();
    assert_eq!(stent.dispatch(sleeps().dedup("open")).await.unwrap().id(), open.id());
    assert_eq!(open.progress(Page::first(9)).await.unwrap().len(), 1);
    assert_eq!(tasks(&bench, open.id()).await.len(), 2);
    scheduled.status().await.unwrap();
    bench.leap(YEAR).await;
    assert_eq!(bench.until("the result", open.result()).await.unwrap(), 7);
}

/// C-X3
async fn without_a_retention_nothing_is_deleted(bench: Bench) {
    let process = keeping(&bench, None).await;
    let execution = ended(&bench, &process.stent, false).await;
    bench.leap(10 * YEAR).await;
    bench.pass(Duration::from_secs(6)).await;
    execution.status().await.unwrap();
    assert!(!process.plan.calls().contains(&"prune"));
}

/// C-X3, R5: in steps of at most a thousand rows; several workers at it are in nobody's way.
async fn retention_works_in_steps(bench: Bench) {
    let first = keeping(&bench, Some("1h")).await;
    let second = keeping(&bench, Some("1h")).await;
    let other = first.stent.dispatch(sleeps()).await.unwrap();
    for notes in [2_500, 10, 700] {
        let execution = first.stent.dispatch(long(notes)).await.unwrap();
        bench.until("the result", execution.result()).await.unwrap();
    }
    bench.leap(3 * HOUR).await;
    let backend = first.stent.backend();
    let is_gone = async || {
        backend.count_executions(&ExecutionFilter::default()).await.unwrap() == 1
            && backend.prune(bench.now(), bench.now().before(HOUR)).await.unwrap().rows == 0
    };
    eventually("everything is deleted", is_gone).await;
    let prunes = [&first, &second].map(|process| process.plan.calls().iter().filter(|call| **call == "prune").count());
    assert!(prunes.iter().sum::<usize>() >= 4, "{prunes:?}");
    assert_eq!(tasks(&bench, other.id()).await.len(), 2, "what is open is whole");
}

/// C-X3: from its mark on an execution is gone for everyone, while most of it is still there.
async fn what_is_being_deleted_is_gone_for_everyone(bench: Bench) {
    let process = keeping(&bench, None).await;
    let stent = &process.stent;
    let execution = stent.dispatch(long(2_500).dedup("long")).await.unwrap();
    bench.until("the result", execution.result()).await.unwrap();
    let backend = bench.backend().await;
    let backend: &dyn Maintenance = &*backend;
    let later = bench.now().after(HOUR);
    let step = backend.prune(later, later).await.unwrap();
    assert!(step.more && step.rows <= 1_000, "{step:?}");

    assert!(matches!(execution.status().await, Err(ExecutionError::NotFound)));
    assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::NotFound)));
    assert!(matches!(execution.variables().await, Err(ExecutionError::NotFound)));
    assert!(matches!(execution.progress(Page::first(1)).await, Err(ExecutionError::NotFound)));
    assert!(stent.list(&ExecutionFilter::default(), Page::first(9)).await.unwrap().is_empty());
    for error in [execution.cancel().await.unwrap_err(), execution.signal("go", &1).await.unwrap_err()] {
        assert!(matches!(error, StentError::NotFound { .. }), "{error}");
    }
    let redriven = stent.redrive(RedriveTarget::Execution(execution.id())).await.unwrap_err();
    assert!(matches!(redriven, StentError::Redrive(RefusedRedrive::Deleting)), "{redriven}");
}

/// Dispatches an execution that takes its time.
#[durable]
async fn dispatches(ctx: Ctx) -> Result<ExecutionId> {
    ctx.dispatch(sleeps()).await
}

/// C-X3, C-Y6: what an execution dispatched is not of it; neither is a worker that was not heard of for long.
async fn what_was_dispatched_outlives_the_deletion_of_its_dispatcher(bench: Bench) {
    let process = bench.process(functions![dispatches, sleeps, shared]).await;
    let process = process.work(&bench, |worker| worker.lease("1h").suspend_after("0s").retention(Some("1h"))).await;
    let gone = bench.process(functions![shared]).await.work(&bench, |worker| worker.lease("1h")).await;
    gone.worker().drain().await.unwrap();
    let maker = process.stent.dispatch(dispatches()).await.unwrap();
    let made = bench.until("the result", maker.result()).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    bench.leap(3 * HOUR).await;
    let is_gone = async || matches!(maker.status().await, Err(ExecutionError::NotFound));
    eventually("the dispatcher is gone", is_gone).await;
    let own = process.worker().id();
    let is_alone = async || process.stent.backend().workers().await.unwrap().iter().all(|worker| worker.id == own);
    eventually("the other worker is gone", is_alone).await;
    bench.leap(YEAR).await;
    let made = process.stent.execution::<u32>(made);
    assert_eq!(bench.until("the result", made.result()).await.unwrap(), 7);
}

on_every_backend![
    nothing_is_left_of_what_ended_long_ago,
    what_is_younger_or_open_stays,
    without_a_retention_nothing_is_deleted,
    retention_works_in_steps,
    what_is_being_deleted_is_gone_for_everyone,
    what_was_dispatched_outlives_the_deletion_of_its_dispatcher,
];
