//! Children and dispatched executions: what a turn makes, and what it abandons.

use stent_core::claim::Renewal;
use stent_core::commit::Cancelled;
use stent_core::execution::ExecutionState;
use stent_core::journal::Made;
use stent_core::memo::{Memo, MemoMode};
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::TaskState;
use stent_core::{TaskId, WorkerId};

use super::acts::Acts;
use super::builders::{
    TICK, TaskWith, TurnWith, at, call, child, completed, execution, failed, fingerprint, items, map, nth_call,
    operation, payload, turn, worker,
};
use super::scenes::{Scenes, only};
use super::store::{Checked, Fixture};

/// C-R10 A child is of its parent's execution, one deeper than it, and is claimed as it was made.
pub(super) async fn a_child_is_of_its_parents_execution_and_one_deeper(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let new = child(root.claim.task, call(0, "g")).input("x").queue("mail").priority(3).trace("00-ab-cd-01");
    s.note_down(at(1), turn(root.claim).child(new.clone())).await?;
    let taken = s.take_of(at(2), "g").await?;
    assert_eq!((taken.claim.task, taken.parent, taken.depth), (new.id, Some(root.claim.task), 1));
    assert_eq!((taken.execution, taken.attempt, taken.generation), (root.execution, 1, 0));
    assert_eq!((taken.input, taken.fingerprint), (new.task.input.clone(), new.task.fingerprint));
    assert_eq!((taken.queue, taken.trace), (new.task.queue.clone(), new.task.trace.clone()));
    let below = child(new.id, call(0, "h"));
    s.note_down(at(3), turn(taken.claim).child(below.clone())).await?;
    let record = s.look(below.id).await?;
    assert_eq!((record.execution, record.parent, record.depth), (root.execution, Some(new.id), 2));
    assert_eq!((record.created_at, record.index), (at(3), None));
    Ok(())
}

/// C-Q1 A child is free when it is due, and no earlier.
pub(super) async fn a_child_waits_for_its_due_time(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let (now, later) = (child(root.task, call(0, "g")).due(at(1)), child(root.task, call(0, "h")).due(at(5)));
    s.note_down(at(1), turn(root).children(vec![now.clone(), later.clone()])).await?;
    assert_eq!(s.states(&[now.id, later.id]).await?, [TaskState::Pending, TaskState::Scheduled]);
    assert!(s.take(at(5).before(TICK), only("h")).await?.is_empty());
    assert_eq!(s.take_of(at(5), "h").await?.claim.task, later.id);
    Ok(())
}

/// C-R10 C-K1 A child with a result is born completed: never claimed, and it stores no memo.
pub(super) async fn a_child_with_a_result_is_born_completed(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let memo = Memo { key: fingerprint("memo"), mode: MemoMode::Cached { ttl: None } };
    let born = |of: &str, result: &str| {
        let mut born = child(root.task, call(0, of)).memo(memo);
        born.born = Some(payload(result));
        born
    };
    let (one, empty) = (born("g", "known"), born("h", ""));
    s.note_down(at(1), turn(root).children(vec![one.clone(), empty.clone()])).await?;
    let ended = |result| Some(Ended { outcome: Outcome::Completed(payload(result)), at: at(1) });
    assert_eq!(s.tasks(&[one.id, empty.id]).await?, [ended("known"), ended("")]);
    assert!(s.take_all(at(9)).await?.is_empty(), "C-R10: it is never claimed");
    assert_eq!(s.known(at(9), "memo").await?, None, "C-K1: one that is born stores nothing");
    Ok(())
}

/// C-R4 A replay reads the children of calls with their inputs and ends; the items of maps it reads by range.
pub(super) async fn the_children_of_calls_are_loaded_with_their_ends(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let (done, open) = (child(root.task, call(0, "g")).input("in"), child(root.task, nth_call(0, "h", 1)));
    let mapped = items(root.task, &map(0, "item"), 0..3);
    s.note_down(at(1), turn(root).child(done.clone()).child(open.clone()).children(mapped)).await?;
    let running = s.take_of(at(1), "g").await?;
    s.end(at(2), completed(running.claim, "out")).await?;
    let mut children = s.journal(root.task).await?.children;
    children.sort_by_key(|child| child.operation.number);
    let loaded: Vec<_> = children.iter().map(|child| (child.id, &child.operation, &child.input)).collect();
    assert_eq!(
        loaded,
        [(done.id, &done.operation, &done.task.input), (open.id, &open.operation, &open.task.input)],
        "C-R4: children of calls alone, with what was recorded"
    );
    let ended = Ended { outcome: Outcome::Completed(payload("out")), at: at(2) };
    assert_eq!((children[0].ended.clone(), children[1].ended.clone()), (Some(ended), None));
    Ok(())
}

/// C-Y6 An execution that a turn dispatches is one of its own and outlives what dispatched it.
pub(super) async fn a_dispatched_execution_outlives_its_dispatcher(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let dispatched = execution("g").due(at(1));
    let write = turn(root.claim)
        .made(0, operation(0, OperationKind::Dispatch, "g"), Made::Dispatch { execution: dispatched.id })
        .dispatch(dispatched.clone());
    s.note_down(at(1), write).await?;
    let record = s.look(dispatched.id.root()).await?;
    assert_eq!((record.parent, record.depth, record.execution), (None, 0, dispatched.id));
    assert_eq!(s.cancel(at(2), root.execution).await?, Cancelled::Done);
    assert_eq!(s.shown(dispatched.id).await?, ExecutionState::Pending, "C-Y6: it is not below its dispatcher");
    assert_eq!(s.take_one(at(2)).await?.execution, dispatched.id);
    Ok(())
}

/// C-R9 An abandoned child is cancelled with all open tasks below it; what had ended, and its siblings, stay as they are.
pub(super) async fn an_abandoned_child_is_cancelled_with_all_below_it(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let middle = s.take_of(at(1), "g").await?.claim;
    let below = s.call_all(at(1), middle, &[call(0, "f"), call(0, "item")]).await?;
    let done = s.take_of(at(2), "f").await?.claim;
    s.end(at(2), completed(done, "kept")).await?;
    let running = s.take_of(at(2), "item").await?.claim;
    s.note_down(at(3), turn(family.parent).cancel(1, family.children[0])).await?;
    assert_eq!(s.states(&family.children).await?, [TaskState::Cancelled, TaskState::Pending], "C-R9");
    assert_eq!(s.states(&below).await?, [TaskState::Completed, TaskState::Cancelled], "C-R9: all open tasks below");
    assert_eq!(s.ended(middle.task).await?, Some(Ended { outcome: Outcome::Cancelled, at: at(3) }));
    let worker = worker(WorkerId::random());
    assert_eq!(s.renew(at(4), &worker, &[middle, running]).await?, [Renewal::Cancelled; 2], "C-X1");
    assert_eq!(s.state(family.parent.task).await?, TaskState::Running);
    Ok(())
}

/// C-R9 Abandoning a child that has ended changes nothing.
pub(super) async fn abandoning_a_child_that_has_ended_changes_nothing(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let [g, h] = [s.take_of(at(1), "g").await?.claim, s.take_of(at(1), "h").await?.claim];
    s.end(at(2), completed(g, "out")).await?;
    s.end(at(2), failed(h, "Boom")).await?;
    let before = s.tasks(&family.children).await?;
    let write = family.children.iter().fold(turn(family.parent), |write, child| write.cancel(1, *child));
    s.note_down(at(3), write).await?;
    assert_eq!(s.tasks(&family.children).await?, before, "C-R9: open children alone are cancelled");
    assert!(s.dead_letter(h.task).await?.is_some());
    Ok(())
}

/// C-R9 An abandoned map's open items are cancelled, those of another map of the same function are not.
pub(super) async fn an_abandoned_map_is_cancelled_with_all_below_it(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let (dropped, kept) = (family.operations[0].clone(), OperationId { number: 1, ..family.operations[0].clone() });
    let others = items(family.parent.task, &kept, 0..2);
    let other_ids: Vec<TaskId> = others.iter().map(|item| item.id).collect();
    let taken = s.take_items(at(1)).await?;
    s.note_down(at(1), turn(family.parent).children(others)).await?;
    s.end(at(1), completed(taken[0], "0")).await?;
    let below = s.call_all(at(2), taken[1], &[call(0, "g")]).await?;
    s.note_down(at(3), turn(family.parent).cancel_map(1, dropped)).await?;
    let [done, cancelled] = [TaskState::Completed, TaskState::Cancelled];
    assert_eq!(s.states(&family.children).await?, [done, cancelled, cancelled, cancelled], "C-R9: its open items");
    assert_eq!(s.states(&below).await?, [cancelled], "C-R9: and what is below them");
    assert_eq!(s.states(&other_ids).await?, [TaskState::Pending; 2], "C-R9: another map is untouched");
    Ok(())
}
