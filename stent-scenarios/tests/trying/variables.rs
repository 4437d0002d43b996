//! Counters, values and progress of an execution (C-V1, C-V2).

use std::time::Duration;

use stent_core::journal::EntryKind;
use stent_core::retry::{ErrorClass, OnRetry};
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionError, ExecutionId, Page, ProgressEntry, ProgressEvent};
use stent_scenarios::{Bench, Gates, Process, on_every_backend, soon};
use stent_testkit::faulty::{Fault, Moment};

use crate::scene::{kill, note, quickly, tasks, working};

/// Changes its variables in every way.
#[durable]
async fn changes(ctx: Ctx) -> Result<(i64, Option<String>, i64, Option<u32>)> {
    let (count, word) = (ctx.counter("count")?, ctx.value::<String>("word")?);
    count.init(30)?;
    count.add(1)?;
    count.init(99)?;
    (0..20).try_for_each(|number| word.set(&format!("word {number}")))?;
    word.init(&"never".to_owned())?;
    let seen = (count.get().await?, word.get().await?);
    count.add(-32)?;
    let none = (ctx.counter("other")?.get().await?, ctx.value::<u32>("other")?.get().await?);
    word.set(&"last".to_owned())?;
    Ok((seen.0, seen.1, none.0, none.1))
}

/// C-V1, B59, B60: in program order; an initial value overwrites nothing; a read sees what was changed before it.
async fn changes_happen_in_program_order(bench: Bench) {
    let process = working(&bench, functions![changes]).await;
    let execution = process.stent.dispatch(changes()).await.unwrap();
    let seen = soon("the result", execution.result()).await.unwrap();
    assert_eq!(seen, (31, Some("word 19".into()), 0, None));
    let after = execution.variables().await.unwrap();
    assert_eq!(after.counters().collect::<Vec<_>>(), [("count", -1)]);
    assert_eq!(after.values().collect::<Vec<_>>(), ["word"]);
    assert_eq!(after.value::<String>("word").unwrap().as_deref(), Some("last"), "the end bears the last changes");
    assert_eq!((after.counter("other"), after.value::<u32>("other").unwrap()), (0, None));
    assert!(after.value::<u32>("word").is_err(), "it is a text");
}

/// Adds to a counter of its execution.
#[durable]
async fn adds(ctx: Ctx, amount: i64) -> Result<()> {
    ctx.counter("count")?.add(amount)
}

/// Adds in every turn of a run: of its own, by a child, by a map; and once more with its end.
#[durable]
async fn counts(ctx: Ctx) -> Result<i64> {
    let count = ctx.counter("count")?;
    count.add(1)?;
    ctx.progress("began");
    ctx.step("one", async || Ok::<_, Failure>(())).await?;
    count.add(10)?;
    ctx.call(adds(100)).await?;
    ctx.map([1_000, 1_000].map(adds)).chunk(1).await?;
    ctx.sleep("1s").await?;
    ctx.progress("slept");
    count.add(10_000)?;
    let read = count.get().await?;
    count.add(100_000)?;
    ctx.progress("read");
    Ok(read)
}

/// What a progress tells, as text.
fn told(progress: &[ProgressEntry]) -> Vec<String> {
    let text = |entry: &ProgressEntry| match &entry.event {
        ProgressEvent::Note(note) => note.clone(),
        ProgressEvent::Chunk { closed, .. } => format!("chunk {closed}"),
    };
    progress.iter().map(text).collect()
}

/// C-V1, C-V2, B61: once, whichever call of the store a worker dies at.
async fn changes_happen_once_over_crashes(bench: Bench) {
    let mut died = 0;
    for (call, moment) in (1..=22).flat_map(|call| [(call, Moment::Before), (call, Moment::After)]) {
        let bench = bench.another();
        let client = bench.process(functions![counts]).await;
        let first = working(&bench, functions![counts, adds]).await;
        bench.settle().await;
        first.plan.plan(call, Fault::Dies(moment));
        let execution = client.stent.dispatch(counts().retry(quickly(9, OnRetry::Fail))).await.unwrap();
        for _ in 0..20 {
            if !first.plan.is_dead() && !execution.status().await.unwrap().is_final() {
                bench.pass(Duration::from_secs(1)).await;
            }
        }
        died += usize::from(first.plan.is_dead());
        kill(&bench, first).await;
        let _second = working(&bench, functions![counts, adds]).await;
        let read = bench.until("the result", execution.result()).await.unwrap();
        assert_eq!(read, 12_111, "call {call}, {moment:?}");
        assert_eq!(execution.variables().await.unwrap().counter("count"), 112_111, "call {call}, {moment:?}");
        let progress = told(&execution.progress(Page::first(100)).await.unwrap());
        assert_eq!(progress, ["began", "chunk 1", "chunk 2", "slept", "read"], "call {call}, {moment:?}");
    }
    assert!(died >= 20, "the first workers died of {died} faults only");
}

/// Changes and notes, and fails in its first two attempts.
#[durable(retry(initial_delay = "0s"))]
async fn falters(ctx: Ctx) -> Result<u32> {
    ctx.counter("count")?.add(1)?;
    ctx.value("attempt")?.set(&ctx.attempt())?;
    ctx.progress(format!("attempt {}", ctx.attempt()));
    if ctx.attempt() < 3 { bail!("not yet") } else { Ok(ctx.attempt()) }
}

/// C-V1, B61: what a failed attempt had not written is dropped; of one that fails for good, too.
async fn what_a_failed_attempt_had_not_written_is_dropped(bench: Bench) {
    let process = working(&bench, functions![falters]).await;
    let execution = process.stent.dispatch(falters()).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 3);
    let after = execution.variables().await.unwrap();
    assert_eq!((after.counter("count"), after.value::<u32>("attempt").unwrap()), (1, Some(3)));
    assert_eq!(told(&execution.progress(Page::first(9)).await.unwrap()), ["attempt 3"]);

    let execution = process.stent.dispatch(falters().retry(RetryPolicy::none())).await.unwrap();
    soon("the end", execution.result()).await.unwrap_err();
    let after = execution.variables().await.unwrap();
    assert_eq!((after.counters().count(), after.values().count()), (0, 0));
    assert!(execution.progress(Page::first(9)).await.unwrap().is_empty());
}

/// Writes something, and fails in its first attempt after that.
#[durable]
async fn stumbles(ctx: Ctx) -> Result<()> {
    ctx.counter("count")?.add(1)?;
    ctx.progress("began");
    ctx.step("written", async || Ok::<_, Failure>(())).await?;
    ctx.counter("count")?.add(10)?;
    ctx.progress("after the step");
    if ctx.attempt() == 1 { bail!("it") } else { Ok(()) }
}

/// C-V1: what was written outlives a retry: once for a journal that is resumed, once for each of two.
async fn what_was_written_outlives_a_retry(bench: Bench) {
    let process = working(&bench, functions![stumbles]).await;
    for (on_retry, count) in [(OnRetry::Resume, 11), (OnRetry::Restart, 12)] {
        let execution = process.stent.dispatch(stumbles().retry(quickly(2, on_retry))).await.unwrap();
        soon("the result", execution.result()).await.unwrap();
        assert_eq!(execution.variables().await.unwrap().counter("count"), count, "{on_retry:?}");
    }
}

/// Reads a counter before and after another task changes it.
#[durable]
async fn reads(ctx: Ctx) -> Result<(i64, i64)> {
    let count = ctx.counter("count")?;
    count.add(1)?;
    let before = count.get().await?;
    ctx.call(adds(10)).await?;
    let after = count.get().await?;
    note(&ctx, format!("{before} {after}"));
    ctx.resource::<Gates>()?.pass("go").await;
    Ok((before, after))
}

/// C-V1: a read is an operation: its outcome is journaled, and a replay gets the same.
async fn a_read_is_an_operation(bench: Bench) {
    let first = working(&bench, functions![reads, adds]).await;
    let execution = first.stent.dispatch(reads()).await.unwrap().id();
    bench.sees("it holds", || bench.ledger.count("1 11") == 1).await;
    kill(&bench, first).await;
    bench.gates.open("go");
    let second = working(&bench, functions![reads, adds]).await;
    let execution = second.stent.execution::<(i64, i64)>(execution);
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), (1, 11));
    assert_eq!(bench.ledger.all(), ["1 11", "1 11"]);
    let journal = second.stent.backend().list_journal(execution.id().root(), Page::first(100)).await.unwrap();
    let reads = journal.iter().filter(|entry| entry.body.kind() == EntryKind::Outcome).count();
    assert_eq!(reads, 2);
}

/// Many tasks that change one counter.
#[durable]
async fn crowd(ctx: Ctx) -> Result<()> {
    ctx.map((0..60).map(adds)).chunk(20).await.map(drop)
}

/// C-V1: all tasks of an execution share them, on whichever worker; other executions do not.
async fn all_tasks_of_an_execution_share_its_variables(bench: Bench) {
    let mut processes = Vec::<Process>::new();
    for _ in 0..3 {
        processes.push(working(&bench, functions![crowd, adds]).await);
    }
    let executions: Vec<Execution<()>> = processes[0].stent.dispatch_all([crowd(), crowd()]).await.unwrap();
    for execution in executions {
        bench.until("the result", execution.result()).await.unwrap();
        assert_eq!(execution.variables().await.unwrap().counter("count"), (0..60).sum::<i64>());
    }
}

/// Changes variables where that cannot be replayed, and past what a counter holds.
#[durable]
async fn oversteps(ctx: Ctx) -> Result<Vec<String>> {
    let (count, word) = (ctx.counter("count")?, ctx.value::<u32>("word")?);
    let mut refused = Vec::new();
    let step = ctx.step("step", async || {
        ctx.progress("in a step");
        Ok::<_, Failure>([count.add(1), count.init(1), word.set(&1), word.init(&1)].map(|done| done.unwrap_err()))
    });
    refused.extend(step.await?.map(|failure| failure.class().to_string()));
    refused.extend(
        [ctx.counter("").err(), ctx.value::<u32>("a\nb").err()].map(|error| error.unwrap().class().to_string()),
    );
    count.add(i64::MAX)?;
    count.add(7)?;
    ctx.progress("a\nline\tand \u{7} a bell");
    ctx.progress("ü".repeat(9_000));
    Ok(refused)
}

/// C-V1, C-R8: refused in a step and by names that are none; a counter saturates; a note is one line of at most 16 KiB.
async fn variables_and_notes_keep_their_bounds(bench: Bench) {
    let process = working(&bench, functions![oversteps]).await;
    let execution = process.stent.dispatch(oversteps()).await.unwrap();
    let refused = soon("the result", execution.result()).await.unwrap();
    let place = ErrorClass::OUT_OF_PLACE;
    assert_eq!(refused, [place, place, place, place, "InvalidName", "InvalidName"]);
    assert_eq!(execution.variables().await.unwrap().counter("count"), i64::MAX);
    let notes = told(&execution.progress(Page::first(9)).await.unwrap());
    assert_eq!((notes.len(), notes[0].as_str(), notes[1].len()), (2, "a line and   a bell", 16 << 10));
}

/// Says what it is at, itself and by a child.
#[durable]
async fn tells(ctx: Ctx, depth: u32) -> Result<()> {
    ctx.progress(format!("down {depth}"));
    ctx.step("one", async || Ok::<_, Failure>(())).await?;
    if depth > 0 {
        ctx.call(tells(depth - 1)).await?;
    }
    ctx.sleep("1s").await?;
    ctx.progress(format!("up {depth}"));
    Ok(())
}

/// C-V2, B29: notes and chunks alone, of all tasks, in their order, a page at a time; nothing else of an execution reads them.
async fn progress_is_read_in_pages(bench: Bench) {
    let process = working(&bench, functions![tells]).await;
    let execution = process.stent.dispatch(tells(2)).await.unwrap();
    bench.until("the result", execution.result()).await.unwrap();
    execution.status().await.unwrap();
    tasks(&bench, execution.id()).await;
    assert!(!process.plan.calls().contains(&"list_progress"));

    let (mut all, mut page) = (Vec::new(), Page::first(4));
    loop {
        let entries = execution.progress(page).await.unwrap();
        let Some(last) = entries.last() else { break };
        assert!(entries.len() <= 4);
        page.after = Some(last.cursor);
        all.extend(entries);
    }
    let mut downs = told(&all);
    let ups = downs.split_off(3);
    // The first three are of one moment, in which tasks have no order.
    downs.sort();
    assert_eq!(
        (downs.as_slice(), ups.as_slice()),
        (
            ["down 0", "down 1", "down 2"].map(String::from).as_slice(),
            ["up 0", "up 1", "up 2"].map(String::from).as_slice()
        )
    );
}

/// C-V1, C-V2: there is nothing to read of what there is not; what has none has none.
async fn what_does_not_exist_has_no_variables(bench: Bench) {
    let process = working(&bench, functions![adds]).await;
    let unknown = process.stent.execution::<()>(ExecutionId::new(bench.now()));
    assert!(matches!(unknown.variables().await, Err(ExecutionError::NotFound)));
    assert!(matches!(unknown.progress(Page::first(1)).await, Err(ExecutionError::NotFound)));
    let delayed = process.stent.dispatch(adds(1).delay("1h")).await.unwrap();
    assert_eq!(delayed.variables().await.unwrap().counters().count(), 0);
    assert!(delayed.progress(Page::first(1)).await.unwrap().is_empty());
}

on_every_backend![
    changes_happen_in_program_order,
    changes_happen_once_over_crashes,
    what_a_failed_attempt_had_not_written_is_dropped,
    what_was_written_outlives_a_retry,
    a_read_is_an_operation,
    all_tasks_of_an_execution_share_its_variables,
    variables_and_notes_keep_their_bounds,
    progress_is_read_in_pages,
    what_does_not_exist_has_no_variables,
];
