//! Outcomes: what those who wait read, in bulk.

use std::ops::Range;

use stent_core::TaskId;
use stent_core::backend::Watch;
use stent_core::commit::Cancelled;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::MapItem;

use super::acts::{Acts, one};
use super::builders::{
    ExecutionWith, TaskWith, TurnWith, at, completed, execution, failed, failure, fingerprint, items, map,
    next_execution_id, payload, retried, secs, send, signal_name, sleeping, turn,
};
use super::scenes::Scenes;
use super::store::{Checked, Fixture, Trouble};

fn ended(result: &str, seconds: u64) -> Ended {
    Ended { outcome: Outcome::Completed(payload(result)), at: at(seconds) }
}

/// C-X3 The ends of tasks are read in the order asked for; those that are open or unknown have none.
pub(super) async fn the_ends_of_tasks_are_read_in_the_order_asked_for(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h", "f", "item"]).await?;
    let [g, h, f] =
        [s.take_of(at(1), "g").await?.claim, s.take_of(at(1), "h").await?.claim, s.take_of(at(1), "f").await?.claim];
    s.end(at(2), completed(g, "")).await?;
    s.end(at(3), failed(h, "Boom")).await?;
    s.end(at(4), retried(f, at(9))).await?;
    s.note_down(at(5), turn(family.parent).cancel(1, family.children[3])).await?;
    let unknown = next_execution_id().root();
    let asked = [unknown, f.task, family.children[3], h.task, family.parent.task, g.task, g.task];
    let boom = Ended { outcome: Outcome::Failed(failure("Boom")), at: at(3) };
    let cancelled = Ended { outcome: Outcome::Cancelled, at: at(5) };
    let expected = [None, None, Some(cancelled), Some(boom), None, Some(ended("", 2)), Some(ended("", 2))];
    assert_eq!(s.tasks(&asked).await?, expected);
    assert_eq!(s.tasks(&[]).await?, []);
    Ok(())
}

/// The items of a range, as index and outcome.
async fn read_items(
    s: &Fixture,
    parent: TaskId,
    of: &OperationId,
    items: Range<u32>,
) -> Result<Vec<(u32, Option<Outcome>)>, Trouble> {
    let read = s.map_items(parent, 0, of, items).await?;
    Ok(read.into_iter().map(|item| (item.index, item.ended.map(|ended| ended.outcome))).collect())
}

/// C-M1 The items of a range are read by index, with their ends; what is outside of it is not.
pub(super) async fn the_items_of_a_range_are_read_by_index(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 5).await?;
    let (parent, map) = (family.parent.task, &family.operations[0]);
    let items = s.take_items(at(1)).await?;
    s.end(at(2), completed(items[3], "three")).await?;
    s.end(at(2), failed(items[1], "Boom")).await?;
    let done = Some(Outcome::Completed(payload("three")));
    let boom = Some(Outcome::Failed(failure("Boom")));
    let expected = [(1, boom), (2, None), (3, done)];
    assert_eq!(read_items(&s, parent, map, 1..4).await?, expected, "C-M1: in input order");
    assert_eq!(read_items(&s, parent, map, 0..5).await?.len(), 5);
    assert_eq!(read_items(&s, parent, map, 2..2).await?, []);
    let first = s.map_items(parent, 0, map, 3..4).await?;
    let expected = MapItem { index: 3, fingerprint: fingerprint("item"), ended: Some(ended("three", 2)) };
    assert_eq!(first, [expected], "C-M5: with the fingerprint of the recorded input");
    Ok(())
}

/// C-M1 Items that were not made yet are left out: beyond the last one, and in gaps.
pub(super) async fn items_that_were_not_made_are_left_out(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 2).await?;
    let (parent, map) = (family.parent.task, &family.operations[0]);
    let later = items(parent, map, 4..6);
    s.note_down(at(1), turn(family.parent).children(later)).await?;
    let made: Vec<_> = read_items(&s, parent, map, 0..100).await?.into_iter().map(|(index, _)| index).collect();
    assert_eq!(made, [0, 1, 4, 5]);
    assert_eq!(read_items(&s, parent, map, 2..4).await?, []);
    assert_eq!(read_items(&s, next_execution_id().root(), map, 0..9).await?, [], "an unknown parent has none");
    Ok(())
}

/// C-R10 Items belong to one map of one generation: others of the same function are not among them.
pub(super) async fn the_items_of_other_maps_and_generations_are_left_out(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 3).await?;
    let (parent, first) = (family.parent, &family.operations[0]);
    let others = [OperationId { number: 1, ..first.clone() }, OperationId { turn: 1, ..first.clone() }, map(0, "f")];
    for (other, count) in others.iter().zip([1, 2, 4]) {
        let made = items(parent.task, other, 0..count);
        s.note_down(at(1), turn(parent).children(made)).await?;
    }
    for (map, count) in std::iter::once(first).chain(&others).zip([3, 1, 2, 4]) {
        assert_eq!(read_items(&s, parent.task, map, 0..9).await?.len(), count, "{map:?}");
    }
    assert_eq!(s.map_items(parent.task, 1, first, 0..9).await?, [], "C-R10: of another generation");
    Ok(())
}

/// C-M1 A range of thousands is read whole, in order.
pub(super) async fn a_long_range_is_read_whole(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 2_500).await?;
    let read = read_items(&s, family.parent.task, &family.operations[0], 0..2_500).await?;
    assert!(read.iter().map(|(index, _)| *index).eq(0..2_500), "C-M1: in input order, none missing");
    Ok(())
}

/// C-X3 An execution is unknown, open in a state, or ended with its outcome; the answers stand in the order asked for.
pub(super) async fn an_execution_is_unknown_open_or_ended(s: Fixture) -> Checked {
    let later = s.create(at(0), execution("h").due(at(9))).await?;
    let free = s.create(at(0), execution("item")).await?;
    let done = s.start(at(0), execution("f").priority(1)).await?;
    let bad = s.start(at(0), execution("f").priority(2)).await?;
    let late = s.start(at(0), execution("f").priority(3).max_duration(secs(4))).await?;
    let stopped = s.start(at(0), execution("f").priority(4)).await?;
    let running = s.start(at(0), execution("f").priority(5)).await?;
    let asleep = s.start(at(0), execution("f").priority(6)).await?;
    s.end(at(1), completed(done.claim, "out")).await?;
    s.end(at(2), failed(bad.claim, "Boom")).await?;
    assert_eq!(s.cancel(at(3), stopped.execution).await?, Cancelled::Done);
    assert_eq!(s.expire(at(4), 9).await?, [late.execution]);
    s.rest(at(5), sleeping(asleep.claim, at(90))).await?;
    let end = |outcome, seconds| ExecutionStatus::Ended(Ended { outcome, at: at(seconds) });
    let expected = [
        (next_execution_id(), ExecutionStatus::Unknown),
        (done.execution, end(Outcome::Completed(payload("out")), 1)),
        (bad.execution, end(Outcome::Failed(failure("Boom")), 2)),
        (stopped.execution, end(Outcome::Cancelled, 3)),
        (late.execution, end(Outcome::TimedOut, 4)),
        (later, ExecutionStatus::Open(ExecutionState::Scheduled)),
        (free, ExecutionStatus::Open(ExecutionState::Pending)),
        (running.execution, ExecutionStatus::Open(ExecutionState::Running)),
        (asleep.execution, ExecutionStatus::Open(ExecutionState::Suspended)),
        (done.execution, end(Outcome::Completed(payload("out")), 1)),
    ];
    let (asked, statuses): (Vec<_>, Vec<_>) = expected.into_iter().unzip();
    assert_eq!(s.executions(&asked).await?, statuses);
    assert_eq!(s.executions(&[]).await?, []);
    Ok(())
}

/// C-X3 Once started an execution is shown as running between two claims.
pub(super) async fn a_started_execution_is_running_between_two_claims(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(task.claim, at(9))).await?;
    assert_eq!(s.status(task.execution).await?, ExecutionStatus::Open(ExecutionState::Running));
    Ok(())
}

/// C-X3 The tasks of an execution are no executions of their own.
pub(super) async fn a_child_is_no_execution(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(2), completed(child, "out")).await?;
    assert_eq!(s.status(child.task.as_execution()).await?, ExecutionStatus::Unknown);
    assert_eq!(s.news(&[Watch::Execution(family.execution)]).await?, [false]);
    Ok(())
}

/// C-Q5 Nothing is news before it happens; then each watch tells its own, in the order asked for.
pub(super) async fn news_tell_which_waits_are_over(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let other = s.create(at(0), execution("f")).await?;
    let watches = [
        Watch::Task(family.children[0]),
        Watch::Task(family.children[1]),
        Watch::Signal(family.execution, signal_name("a")),
        Watch::Signal(family.execution, signal_name("b")),
        Watch::Signal(other, signal_name("a")),
        Watch::Execution(other),
        Watch::Execution(family.execution),
    ];
    assert_eq!(s.news(&watches).await?, [false; 7], "nothing has happened");
    let child = s.take_of(at(1), "h").await?.claim;
    s.end(at(1), failed(child, "Boom")).await?;
    let _ = s.send(at(1), &send(family.execution, "a", "")).await?;
    let _ = s.cancel(at(1), other).await?;
    let over = [false, true, true, false, false, true, false];
    assert_eq!(s.another().await?.news(&watches).await?, over, "C-Q5");
    assert_eq!(s.news(&watches).await?, over, "news stay news: nothing is taken by reading");
    assert!(s.news(&[]).await?.is_empty());
    Ok(())
}

/// C-S2 A signal that was taken is news no more.
pub(super) async fn a_signal_that_was_taken_is_no_news(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let watch = [Watch::Signal(task.execution, signal_name("a"))];
    let _ = s.send(at(1), &send(task.execution, "a", "x")).await?;
    assert_eq!(s.news(&watch).await?, [true]);
    s.take_signal(at(2), task.claim, 0, "a").await?;
    assert_eq!(s.news(&watch).await?, [false], "C-S2");
    Ok(())
}

/// C-M3 C-M5 A range is news when all its items have ended or, unless it is settled, when one has failed.
pub(super) async fn a_range_is_news_when_it_is_closed_or_fails(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let items = s.take_items(at(1)).await?;
    let watch = |items, settled| Watch::Map {
        parent: family.parent.task,
        generation: 0,
        operation: family.operations[0].clone(),
        items,
        settled,
    };
    let watches = [watch(0..2, false), watch(2..4, false), watch(2..4, true), watch(0..4, true)];
    s.end(at(2), completed(items[0], "out")).await?;
    s.end(at(2), failed(items[2], "Boom")).await?;
    assert_eq!(s.news(&watches).await?, [false, true, false, false], "C-M3: a failure, unless settled");
    s.end(at(3), completed(items[1], "out")).await?;
    assert_eq!(s.news(&watches).await?, [true, true, false, false], "C-M5: the first range is closed");
    s.end(at(4), failed(items[3], "Boom")).await?;
    assert_eq!(s.news(&watches).await?, [true; 4]);
    Ok(())
}

/// C-M5 A range is no news before its items exist, nor is that of another generation.
pub(super) async fn a_range_is_no_news_before_its_items_exist(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 2).await?;
    for item in s.take_items(at(1)).await? {
        s.end(at(1), completed(item, "out")).await?;
    }
    let watch = |generation, items| Watch::Map {
        parent: family.parent.task,
        generation,
        operation: family.operations[0].clone(),
        items,
        settled: false,
    };
    let watches = [watch(0, 0..2), watch(0, 2..4), watch(0, 0..4), watch(1, 0..2)];
    assert_eq!(s.news(&watches).await?, [true, false, false, false]);
    Ok(())
}

/// C-X3 An execution that nobody knows is news: whoever waits for it waits for nothing.
pub(super) async fn an_execution_that_is_gone_is_news(s: Fixture) -> Checked {
    assert!(one(s.news(&[Watch::Execution(next_execution_id())]).await?)?);
    Ok(())
}
