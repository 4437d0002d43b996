//! Maps: order, chunks, failures, progress, and what a resume does not do again (C-M1 to C-M5).

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use stent_core::journal::EntryKind;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, Page, ProgressEvent};
use stent_scenarios::{Bench, Gates, Ledger, Process, on_every_backend, soon};

use crate::scene::{class, eventually, journaled, kill, note, tasks, working};

/// Works until its gate is open, fails if it is told to, and gives ten times its number. Its failures are not retried.
#[durable(retry(max_attempts = 3, retry_for = ["Nothing"]))]
async fn item(ctx: Ctx, number: u32, fails: bool) -> Result<u32> {
    note(&ctx, format!("item {number}"));
    ctx.resource::<Gates>()?.pass(&format!("item {number}")).await;
    if fails { bail!("item {number} failed") } else { Ok(number * 10) }
}

/// Works at once.
#[durable]
async fn quick(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("quick {number}"));
    Ok(number * 10)
}

/// The numbers below `past`, each written down when it is taken.
fn taken(ledger: Arc<Ledger>, past: u32) -> impl Iterator<Item = u32> + Send {
    (0..past).inspect(move |number| ledger.note(format!("take {number}")))
}

/// How many effects of this kind, the first word, there were.
fn count(bench: &Bench, kind: &str) -> usize {
    bench.ledger.all().iter().filter(|effect| effect.split(' ').next() == Some(kind)).count()
}

/// A process with slots enough for all items.
async fn wide(bench: &Bench, functions: Vec<stent_executor::Registration>) -> Process {
    bench.process(functions).await.work(bench, |worker| worker.concurrency(20).lease("1h")).await
}

/// Maps in chunks of two, and holds at the end.
#[durable(retry(max_attempts = 1))]
async fn pairs(ctx: Ctx, items: u32, failing: Vec<u32>) -> Result<Vec<u32>> {
    let calls = taken(ctx.resource()?, items).map(|number| item(number, failing.contains(&number)));
    let ended = ctx.map(calls).chunk(2).await;
    if let Err(failure) = &ended {
        note(&ctx, format!("end: {} by {:?}", failure.message(), failure.record().item));
    }
    ctx.resource::<Gates>()?.pass("end").await;
    ended
}

/// C-M1: in whichever order items end.
async fn results_come_in_input_order(bench: Bench) {
    let process = wide(&bench, functions![pairs, item]).await;
    let execution = process.stent.dispatch(pairs(5, vec![])).await.unwrap();
    bench.gates.open("end");
    for number in [1, 3, 2, 0, 4] {
        bench.settle().await;
        bench.gates.open(&format!("item {number}"));
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [0, 10, 20, 30, 40]);
}

/// C-M1, C-M2, B27: two chunks are in flight, and no more is taken before the older one has closed.
async fn at_most_two_chunks_are_in_flight(bench: Bench) {
    let process = wide(&bench, functions![pairs, item]).await;
    let execution = process.stent.dispatch(pairs(7, vec![])).await.unwrap();
    bench.gates.open("end");
    for (open, taken) in [(None, 4), (Some(2), 4), (Some(3), 4), (Some(0), 4), (Some(1), 7), (Some(4), 7)] {
        if let Some(number) = open {
            bench.gates.open(&format!("item {number}"));
        }
        eventually("all that is taken is there", async || tasks(&bench, execution.id()).await.len() == 1 + taken).await;
        bench.pass(Duration::from_secs(2)).await;
        assert_eq!(count(&bench, "take"), taken, "after {open:?}");
        assert_eq!(tasks(&bench, execution.id()).await.len(), 1 + taken, "after {open:?}");
    }
    [5, 6].iter().for_each(|number| bench.gates.open(&format!("item {number}")));
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [0, 10, 20, 30, 40, 50, 60]);
    assert_eq!(count(&bench, "item"), 7);
}

/// Maps over a hundred items, in chunks as told.
#[durable]
async fn hundred(ctx: Ctx, chunk: Option<u32>) -> Result<u32> {
    let map = ctx.map_fold((0..100).map(quick), 0, |sum, _, number| sum + number);
    match chunk {
        Some(chunk) => map.chunk(chunk).await,
        None => map.await,
    }
}

/// How many items were done each time a chunk of an execution closed.
async fn chunks<T>(execution: &Execution<T>) -> Vec<u32> {
    let progress = execution.progress(Page::first(1_000)).await.unwrap();
    let closed = progress.into_iter().map(|entry| match entry.event {
        ProgressEvent::Chunk { closed, .. } => closed,
        ProgressEvent::Note(note) => panic!("{note}"),
    });
    closed.collect()
}

/// C-M1, C-M4, B28: by the map, by the worker, or a thousand; one entry a chunk.
async fn chunks_are_as_large_as_told(bench: Bench) {
    let small = bench.process(functions![hundred, quick]).await.work(&bench, |worker| worker.chunk(30)).await;
    for (chunk, closed) in [(Some(40), vec![40, 80, 100]), (None, vec![30, 60, 90, 100]), (Some(50), vec![50, 100])] {
        let execution = small.stent.dispatch(hundred(chunk)).await.unwrap();
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 49_500);
        assert_eq!(chunks(&execution).await, closed);
        // The map, its chunks, its end: nothing grows with the items but their tasks.
        let journal = small.stent.backend().list_journal(execution.id().root(), Page::first(1_000)).await.unwrap();
        assert_eq!(journal.len(), closed.len() + 2);
    }
    small.worker().drain().await.unwrap();
    let usual = working(&bench, functions![hundred, quick]).await;
    let execution = usual.stent.dispatch(hundred(None)).await.unwrap();
    bench.until("the result", execution.result()).await.unwrap();
    assert_eq!(chunks(&execution).await, [100]);
}

/// Shares its results.
#[durable(cached)]
async fn shared(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("shared {number}"));
    Ok(number * 10)
}

/// Maps over shared results.
#[durable]
async fn shares(ctx: Ctx, items: u32) -> Result<Vec<u32>> {
    ctx.map((0..items).map(shared)).chunk(20).await
}

/// C-M1, B29: one look-up a chunk, one batch of children, one read of outcomes; and a hit is a task born completed (C-M5).
async fn a_chunk_is_one_query_each_time(bench: Bench) {
    let process = wide(&bench, functions![shares, shared]).await;
    let calls = |name: &str, since: usize| process.plan.calls()[since..].iter().filter(|call| **call == name).count();
    let first = process.stent.dispatch(shares(100)).await.unwrap();
    let expected: Vec<u32> = (0..100).map(|number| number * 10).collect();
    assert_eq!(bench.until("the result", first.result()).await.unwrap(), expected);
    // At most: what gathers while a write is in flight goes out together.
    assert!((3..=5).contains(&calls("recall", 0)), "{} look-ups", calls("recall", 0));
    assert_eq!(count(&bench, "shared"), 100);
    assert!(calls("map_items", 0) <= 10, "{} reads of outcomes", calls("map_items", 0));

    let since = process.plan.count();
    let second = process.stent.dispatch(shares(100)).await.unwrap();
    assert_eq!(bench.until("the result", second.result()).await.unwrap(), expected);
    assert!((3..=5).contains(&calls("recall", since)), "{} look-ups", calls("recall", since));
    assert_eq!(count(&bench, "shared"), 100, "nothing ran again");
    let all = tasks(&bench, second.id()).await;
    let born = |task: &&stent_core::task::TaskRecord| task.state == TaskState::Completed && task.started_at.is_none();
    assert_eq!(all.iter().filter(born).count(), 100);
    // A write for the map and each of its chunks' children and closings; not one for each item.
    assert!(calls("write", since) <= 15, "{} writes", calls("write", since));
}

/// Folds what is worked at, and writes down what it folds.
#[durable(retry(max_attempts = 1))]
async fn folds(ctx: Ctx) -> Result<Vec<u32>> {
    let calls = taken(ctx.resource()?, 8).map(|number| item(number, false));
    let ledger = ctx.resource::<Ledger>()?;
    let folded = ctx.map_fold(calls, Vec::new(), move |mut all, index, number| {
        ledger.note(format!("fold {index}"));
        all.push(number);
        all
    });
    folded.chunk(2).await
}

/// C-M2, C-M5: the state is journaled with every closed chunk: nothing before the first open one is folded or run again.
async fn a_fold_goes_on_from_the_last_closed_chunk(bench: Bench) {
    let first = wide(&bench, functions![folds, item]).await;
    let execution = first.stent.dispatch(folds()).await.unwrap().id();
    (0..5).for_each(|number| bench.gates.open(&format!("item {number}")));
    bench.sees("the last items run", || count(&bench, "item") == 8).await;
    journaled(&bench, execution.root(), EntryKind::Chunk, 2).await;
    assert_eq!(count(&bench, "fold"), 4);
    kill(&bench, first).await;
    (5..8).for_each(|number| bench.gates.open(&format!("item {number}")));
    let second = wide(&bench, functions![folds, item]).await;
    let result = bench.until("the result", second.stent.execution::<Vec<u32>>(execution).result()).await;
    assert_eq!(result.unwrap(), [0, 10, 20, 30, 40, 50, 60, 70]);
    for number in 0..8 {
        assert_eq!(bench.ledger.count(&format!("fold {number}")), 1);
        // What was being worked at when its process died runs again.
        assert_eq!(bench.ledger.count(&format!("item {number}")), if number < 5 { 1 } else { 2 });
    }
}

/// C-M5, S13: a map that was open goes on with its open chunks; those that closed are passed by.
async fn a_map_goes_on_where_it_was(bench: Bench) {
    let first = wide(&bench, functions![pairs, item]).await;
    let execution = first.stent.dispatch(pairs(8, vec![])).await.unwrap().id();
    bench.gates.open("end");
    (0..5).for_each(|number| bench.gates.open(&format!("item {number}")));
    bench.sees("the last items run", || count(&bench, "item") == 8).await;
    journaled(&bench, execution.root(), EntryKind::Chunk, 2).await;
    let is_over = async || tasks(&bench, execution).await.iter().filter(|task| task.state.is_final()).count() == 5;
    eventually("the fifth item is over", is_over).await;
    kill(&bench, first).await;
    (5..8).for_each(|number| bench.gates.open(&format!("item {number}")));
    let second = wide(&bench, functions![pairs, item]).await;
    let result = bench.until("the result", second.stent.execution::<Vec<u32>>(execution).result()).await;
    assert_eq!(result.unwrap(), [0, 10, 20, 30, 40, 50, 60, 70]);
    assert_eq!(tasks(&bench, execution).await.len(), 9, "no item was made twice");
    (0..5).for_each(|number| assert_eq!(bench.ledger.count(&format!("item {number}")), 1));
}

/// C-M5: a map that has ended is not iterated again; its results are read.
async fn a_map_that_has_ended_is_not_iterated_again(bench: Bench) {
    let first = wide(&bench, functions![pairs, item]).await;
    let execution = first.stent.dispatch(pairs(5, vec![])).await.unwrap().id();
    (0..5).for_each(|number| bench.gates.open(&format!("item {number}")));
    journaled(&bench, execution.root(), EntryKind::Outcome, 1).await;
    assert_eq!(count(&bench, "take"), 5);
    kill(&bench, first).await;
    bench.gates.open("end");
    let second = wide(&bench, functions![pairs, item]).await;
    let result = bench.until("the result", second.stent.execution::<Vec<u32>>(execution).result()).await;
    assert_eq!(result.unwrap(), [0, 10, 20, 30, 40]);
    assert_eq!((count(&bench, "take"), count(&bench, "item")), (5, 5));
}

/// C-M3, B30: the failure that was seen first, with its index, in one entry; open items are cancelled, and a replay ends alike.
async fn a_map_ends_with_the_failure_seen_first(bench: Bench) {
    let first = wide(&bench, functions![pairs, item]).await;
    let execution = first.stent.dispatch(pairs(9, vec![1, 3])).await.unwrap().id();
    bench.sees("the items run", || count(&bench, "item") == 4).await;
    bench.gates.open("item 3");
    let told = "end: item 3 failed by Some(3)";
    bench.until("it holds", bench.sees("it holds", || bench.ledger.count(told) == 1)).await;
    let are_cancelled = async || tasks(&bench, execution).await[1..].iter().all(|task| task.state.is_final());
    eventually("the others are cancelled", are_cancelled).await;
    let all = tasks(&bench, execution).await;
    let state = |index| all.iter().find(|task| task.index == Some(index)).map(|task| task.state);
    assert_eq!(state(3), Some(TaskState::Failed));
    (0..3).for_each(|index| assert_eq!(state(index), Some(TaskState::Cancelled), "item {index}"));
    assert_eq!((all.len(), count(&bench, "take")), (5, 4), "nothing more was taken");
    journaled(&bench, execution.root(), EntryKind::Outcome, 1).await;

    kill(&bench, first).await;
    ["item 1", "end"].iter().for_each(|gate| bench.gates.open(gate));
    let second = wide(&bench, functions![pairs, item]).await;
    let ended = bench.until("the end", second.stent.execution::<Vec<u32>>(execution).result()).await;
    assert_eq!(class(ended), "Failure");
    assert_eq!((bench.ledger.count(told), count(&bench, "item")), (2, 4));
}

/// C-M3: of failures that are seen together the one that ended first counts, and of those that ended together the one that stands first.
async fn of_failures_seen_together_the_first_counts(bench: Bench) {
    let process = wide(&bench, functions![pairs, item]).await;
    (0..4).for_each(|number| bench.gates.open(&format!("item {number}")));
    bench.gates.open("end");
    let execution = process.stent.dispatch(pairs(2, vec![0, 1])).await.unwrap();
    bench.until("the end", execution.result()).await.unwrap_err();
    let told: Vec<_> = bench.ledger.all().into_iter().filter(|effect| effect.contains("failed by")).collect();
    assert_eq!(told, ["end: item 0 failed by Some(0)"]);
}

/// Gives every item's own result.
#[durable]
async fn settles(ctx: Ctx) -> Result<Vec<String>> {
    let calls = (0..6).map(|number| item(number, number % 2 == 1));
    let settled = ctx.map_settled(calls).chunk(2).await?;
    ctx.resource::<Gates>()?.pass("end").await;
    Ok(settled.into_iter().map(|item| item.map_or_else(|error| format!("{error:?}"), |n| n.to_string())).collect())
}

/// C-M3: no failure ends it, or cancels anything; a replay gives the same.
async fn a_settled_map_gives_every_items_own_result(bench: Bench) {
    let first = wide(&bench, functions![settles, item]).await;
    let execution = first.stent.dispatch(settles()).await.unwrap().id();
    (0..6).for_each(|number| bench.gates.open(&format!("item {number}")));
    journaled(&bench, execution.root(), EntryKind::Outcome, 1).await;
    kill(&bench, first).await;
    bench.gates.open("end");
    let second = wide(&bench, functions![settles, item]).await;
    let result = bench.until("the result", second.stent.execution::<Vec<String>>(execution).result()).await;
    let failed = |number: u32| format!("Failure: item {number} failed");
    assert_eq!(result.unwrap(), ["0", &failed(1), "20", &failed(3), "40", &failed(5)]);
    assert_eq!(count(&bench, "item"), 6);
}

/// Maps over nothing, and over what does not fit a chunk.
#[durable]
async fn edges(ctx: Ctx) -> Result<Vec<usize>> {
    let mut lengths = Vec::new();
    for items in [0, 1, 4, 5, 8, 9] {
        lengths.push(ctx.map((0..items).map(quick)).chunk(4).await?.len());
        lengths.push(ctx.map_settled((0..items).map(quick)).chunk(4).await?.len());
        lengths.push(ctx.map_fold((0..items).map(quick), 0, |seen, _, _| seen + 1).chunk(4).await?);
    }
    Ok(lengths)
}

/// C-M1, S13: with one slot, which a waiting map does not hold (C-M5).
async fn a_map_of_any_size_has_its_size(bench: Bench) {
    let process = working(&bench, functions![edges, quick]).await;
    let execution = process.stent.dispatch(edges()).await.unwrap();
    let lengths: Vec<_> = [0, 1, 4, 5, 8, 9].into_iter().flat_map(|size| [size; 3]).collect();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), lengths);
}

/// Breaks the rules of maps, in the way told.
#[durable(retry(max_attempts = 1))]
async fn breaks(ctx: Ctx, how: u32) -> Result<usize> {
    let calls = (0..6).map(|number| if how == 3 && number == 5 { quick(number).queue("") } else { quick(number) });
    let map = ctx.map(calls);
    let map = match how {
        1 => map.chunk(0),
        2 => map.chunk(10_001),
        _ => map.chunk(4),
    };
    Ok(map.await?.len())
}

/// C-M1: a chunk or an item that breaks a rule fails the map, and nothing is left open.
async fn what_breaks_a_rule_fails_the_map(bench: Bench) {
    let process = wide(&bench, functions![breaks, quick]).await;
    for how in 1..=3 {
        let execution = process.stent.dispatch(breaks(how)).await.unwrap();
        assert_eq!(class(soon("the end", execution.result()).await), ErrorClass::INVALID_CALL);
        let open = tasks(&bench, execution.id()).await.into_iter().filter(|task| !task.state.is_final()).count();
        assert_eq!(open, 0);
    }
}

/// Uses its context where it may not.
#[durable]
async fn meddles(ctx: Ctx) -> Result<Vec<String>> {
    let refused = std::sync::Mutex::new(Vec::new());
    let calls = (0..1).map(|number| {
        let mut refused = refused.lock().unwrap();
        refused.push(ctx.call(quick(7)).now_or_never().map(|ended| ended.unwrap_err().class().to_string()));
        refused.push(ctx.sleep("1s").now_or_never().map(|ended| ended.unwrap_err().class().to_string()));
        let counted = ctx.counter("count").and_then(|counter| counter.add(1));
        refused.push(counted.err().map(|failure| failure.class().to_string()));
        quick(number)
    });
    ctx.map(calls).await?;
    Ok(refused.into_inner().unwrap().into_iter().map(|refused| refused.unwrap_or("nothing".into())).collect())
}

/// C-M5, C-R8: the iterator makes no operations.
async fn an_iterator_makes_no_operations(bench: Bench) {
    let process = working(&bench, functions![meddles, quick]).await;
    let execution = process.stent.dispatch(meddles()).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [ErrorClass::OUT_OF_PLACE; 3]);
    assert_eq!(bench.ledger.all(), ["quick 0"]);
    assert_eq!(execution.variables().await.unwrap().counter("count"), 0);
}

on_every_backend![
    results_come_in_input_order,
    at_most_two_chunks_are_in_flight,
    chunks_are_as_large_as_told,
    a_chunk_is_one_query_each_time,
    a_fold_goes_on_from_the_last_closed_chunk,
    a_map_goes_on_where_it_was,
    a_map_that_has_ended_is_not_iterated_again,
    a_map_ends_with_the_failure_seen_first,
    of_failures_seen_together_the_first_counts,
    a_settled_map_gives_every_items_own_result,
    a_map_of_any_size_has_its_size,
    what_breaks_a_rule_fails_the_map,
    an_iterator_makes_no_operations,
];
