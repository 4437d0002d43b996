//! Resuming: a journal is cut before the turn that was given a failure, and what failed is reopened.

use stent_core::TaskId;
use stent_core::commit::TurnCommit;
use stent_core::journal::{EntryBody, Made};
use stent_core::operation::OperationId;
use stent_core::outcome::OperationOutcome;
use stent_core::task::{Resume, ResumePoint, TaskState};

use super::acts::Acts;
use super::builders::{
    TurnWith, at, call, child, completed, execution, failed, passed_on, retried, retried_at, sleep, step, turn,
};
use super::scenes::{Scenes, at_the_end, before_child, before_turn, broke, gave, only, told};
use super::store::{Checked, Fixture, Trouble};

/// C-Y3 `order` entries that opened the point's turn or a later one go, outcomes written after such turns become written after the turn before.
pub(super) async fn a_journal_is_cut_at_the_points_turn(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let (timer, failed_call) = (sleep(0), family.operations[0].clone());
    let late = |name| EntryBody::Outcome(step(2, name), OperationOutcome::Elapsed);
    let write = turn(family.parent)
        .made(0, timer.clone(), Made::Sleep { until: at(5) })
        .step(1, 0, "a", "1")
        .order(2, 2, timer.clone())
        .entry(3, 2, late("b"))
        .order(4, 4, failed_call.clone())
        .entry(5, 4, late("c"))
        .order(6, 6, timer.clone())
        .entry(7, 7, late("d"));
    s.note_down(at(1), write).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(2), failed(child, "Boom")).await?;
    let end = retried_at(family.parent, at(3), before_child(4, failed_call, child.task));
    for _ in 0..2 {
        s.end(at(3), end.clone()).await?;
        let journal = s.journal(family.parent.task).await?;
        let expected = [
            (0, EntryBody::Made(timer.clone(), Made::Sleep { until: at(5) })),
            (0, gave(step(0, "a"), "1")),
            (2, EntryBody::Order(timer.clone())),
            (2, late("b")),
            (3, late("c")),
            (3, late("d")),
        ];
        assert_eq!(told(&journal), expected, "C-Y3: cut before turn 4, once");
        assert!(journal.entries.is_sorted_by_key(|entry| entry.seq));
    }
    Ok(())
}

/// C-Y3 The outcome of the point's operation goes, and those of others stay.
pub(super) async fn the_failed_outcome_is_deleted(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    let same_name = OperationId { number: 1, ..step(1, "s") };
    let write = turn(task).step(0, 0, "s", "1").entry(1, 1, broke(same_name.clone(), "Caught")).entry(
        2,
        2,
        broke(step(1, "s"), "Boom"),
    );
    s.note_down(at(1), write).await?;
    s.end(at(2), retried_at(task, at(2), before_turn(3, step(1, "s")))).await?;
    let expected = [(0, gave(step(0, "s"), "1")), (1, broke(same_name, "Caught"))];
    assert_eq!(told(&s.journal(task.task).await?), expected, "C-Y3: this operation is reopened, and no other");
    let again = s.take_one(at(3)).await?;
    assert_eq!((again.generation, again.is_fresh), (0, false));
    Ok(())
}

/// C-Y3 A journal that is empty after the cut is an empty journal.
pub(super) async fn a_journal_may_be_cut_to_nothing(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.note_down(at(1), turn(task).entry(0, 0, broke(step(0, "s"), "Boom"))).await?;
    s.end(at(2), retried_at(task, at(2), before_turn(1, step(0, "s")))).await?;
    let again = s.take_one(at(3)).await?;
    assert_eq!((again.is_fresh, again.generation, again.attempt), (true, 0, 2), "C-Y4: a claim of it is an attempt");
    Ok(())
}

/// C-Y3 C-Y5 The failed child of the point is pending again, with fresh attempts and without its dead letter; its siblings are left alone.
pub(super) async fn the_failed_child_is_reopened(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h", "f"]).await?;
    let h = s.take_of(at(1), "h").await?.claim;
    s.end(at(1), completed(h, "out")).await?;
    let f = s.take_of(at(1), "f").await?.claim;
    s.end(at(1), failed(f, "Caught")).await?;
    for attempt in 1..=3 {
        let child = s.take_of(at(1), "g").await?;
        assert_eq!(child.attempt, attempt);
        s.end(at(1), if attempt == 3 { failed(child.claim, "Boom") } else { retried(child.claim, at(1)) }).await?;
    }
    let g = family.children[0];
    s.end(at(2), retried_at(family.parent, at(60), before_child(3, family.operations[0].clone(), g))).await?;
    let [pending, completed, failed] = [TaskState::Pending, TaskState::Completed, TaskState::Failed];
    assert_eq!(s.states(&family.children).await?, [pending, completed, failed], "C-Y3: the point's child alone");
    assert_eq!(s.ended(g).await?, None);
    assert_eq!(s.dead_letter(g).await?, None, "C-Y3: resuming over a dead letter removes it");
    assert!(s.dead_letter(f.task).await?.is_some(), "C-Y3: another's stays");
    let again = s.take_of(at(3), "g").await?;
    assert_eq!((again.claim.task, again.attempt), (g, 1), "C-Y3: fresh attempts");
    let record = s.look(g).await?;
    assert_eq!((record.ended_at, record.generation), (None, 0));
    Ok(())
}

/// C-Y3 A reopened child keeps its journal: what it completed does not run again.
pub(super) async fn a_reopened_child_keeps_its_journal(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.note_down(at(1), turn(child).step(0, 0, "s", "kept")).await?;
    s.end(at(2), failed(child, "Boom")).await?;
    s.end(at(3), retried_at(family.parent, at(3), before_child(1, family.operations[0].clone(), child.task))).await?;
    let again = s.take_of(at(4), "g").await?;
    assert_eq!((again.is_fresh, again.deliveries), (false, 0));
    assert_eq!(told(&s.journal(child.task).await?), [(0, gave(step(0, "s"), "kept"))], "C-Y3");
    Ok(())
}

/// C-Y3 Every failed item of the point's map is reopened and the map's end is deleted; items that completed, and other maps, stay.
pub(super) async fn the_failed_items_of_a_map_are_reopened(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let map = family.operations[0].clone();
    let items = s.take_items(at(1)).await?;
    s.end(at(1), completed(items[0], "0")).await?;
    s.end(at(1), failed(items[1], "Boom")).await?;
    s.end(at(1), failed(items[3], "Boom")).await?;
    let end = turn(family.parent).entry(1, 0, broke(map.clone(), "Boom")).cancel_map(1, map.clone());
    s.note_down(at(2), end).await?;
    assert_eq!(s.state(family.children[2]).await?, TaskState::Cancelled);
    s.end(at(3), retried_at(family.parent, at(60), before_child(1, map.clone(), family.children[1]))).await?;
    let [completed, pending] = [TaskState::Completed, TaskState::Pending];
    assert_eq!(s.states(&family.children).await?, [completed, pending, pending, pending], "C-Y3, C-M3");
    assert_eq!(s.count_dead_letters(&Default::default()).await?, 0, "C-Y3: their dead letters are gone");
    let made = EntryBody::Made(map, Made::Map { chunk: 4 });
    assert_eq!(told(&s.journal(family.parent.task).await?), [(0, made)], "C-M3: its end is deleted");
    assert_eq!(s.take_items(at(4)).await?.len(), 3);
    Ok(())
}

/// C-Y3 What the task cancelled in the point's turn or later is pending again, with all below it; what it had abandoned earlier is not.
pub(super) async fn what_the_failure_cancelled_is_reopened(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h", "f", "item"]).await?;
    let [g, h, f, item] = [0, 1, 2, 3].map(|child| family.children[child]);
    let running = s.take_of(at(1), "h").await?.claim;
    s.note_down(at(1), turn(running).step(0, 0, "s", "kept").child(child(h, call(0, "g")))).await?;
    let below = child(h, call(0, "g")).id;
    s.note_down(at(2), turn(family.parent).note(0, 1, "n").cancel(1, item)).await?;
    let failing = s.take(at(2), only("g")).await?.into_iter().find(|task| task.claim.task == g);
    let Some(failing) = failing else { panic!("`g` is free") };
    s.end(at(2), failed(failing.claim, "Boom")).await?;
    s.note_down(at(3), turn(family.parent).note(1, 2, "n").cancel(2, h).cancel(3, f)).await?;
    assert_eq!(s.states(&[h, below, f, item]).await?, [TaskState::Cancelled; 4]);
    s.end(at(4), retried_at(family.parent, at(60), before_child(2, family.operations[0].clone(), g))).await?;
    assert_eq!(s.states(&[g, h, below, f]).await?, [TaskState::Pending; 4], "C-Y3: in the point's turn or later");
    assert_eq!(s.state(item).await?, TaskState::Cancelled, "C-Y3: abandoned in turn 1, before the point");
    let again = s.take_of(at(5), "h").await?;
    assert_eq!((again.claim.task, again.is_fresh, again.attempt), (h, false, 1), "C-Y3: with its journal");
    assert_eq!(s.journal(h).await?.entries.len(), 1);
    Ok(())
}

/// C-T1 C-Y3 A call that has elapsed is taken up again with its child, from whose reopening on its bound counts; that of others counts on.
pub(super) async fn the_bound_of_a_reopened_call_begins_anew(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let [g, h] = [0, 1].map(|child| family.children[child]);
    let operation = family.operations[0].clone();
    let since = async |child: TaskId| -> Result<_, Trouble> {
        let children = s.journal(family.parent.task).await?.children;
        Ok(children.into_iter().find(|record| record.id == child).map(|record| record.since))
    };
    assert_eq!((since(g).await?, since(h).await?), (Some(at(0)), Some(at(0))), "C-T1: from its making");
    let elapsed = EntryBody::Outcome(operation.clone(), OperationOutcome::Elapsed);
    s.note_down(at(5), turn(family.parent).entry(0, 0, elapsed).cancel(1, g)).await?;
    let point = ResumePoint { turn: Some(1), operation: Some(operation), child: None };
    s.end(at(6), retried_at(family.parent, at(60), Resume::At(point))).await?;
    assert_eq!(s.state(g).await?, TaskState::Pending, "C-Y3");
    assert!(s.journal(family.parent.task).await?.entries.is_empty(), "C-Y3: that it elapsed is forgotten");
    assert_eq!((since(g).await?, since(h).await?), (Some(at(6)), Some(at(0))), "C-T1: from its reopening");
    let again = s.take_of(at(7), "g").await?.claim;
    s.end(at(8), failed(again, "Boom")).await?;
    let parent = s.take_of(at(60), "parent").await?.claim;
    s.end(at(61), retried_at(parent, at(70), before_child(1, family.operations[0].clone(), g))).await?;
    assert_eq!(since(g).await?, Some(at(61)), "C-T1: also of one that had failed");
    Ok(())
}

/// C-Y3 What a child itself had abandoned is none of its parent's: it stays cancelled when the parent reopens the child.
pub(super) async fn what_a_child_had_abandoned_stays_so(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let h = s.take_of(at(1), "h").await?.claim;
    let below = s.call_all(at(1), h, &[call(0, "f"), call(0, "item")]).await?;
    s.note_down(at(1), turn(h).note(0, 9, "n").cancel(9, below[0])).await?;
    let g = s.take_of(at(2), "g").await?.claim;
    s.end(at(2), failed(g, "Boom")).await?;
    s.note_down(at(3), turn(family.parent).note(0, 1, "n").cancel(1, h.task)).await?;
    s.end(at(4), retried_at(family.parent, at(4), before_child(1, family.operations[0].clone(), g.task))).await?;
    assert_eq!(s.state(h.task).await?, TaskState::Pending);
    assert_eq!(s.states(&below).await?, [TaskState::Cancelled, TaskState::Pending], "C-Y3: its own doing stays");
    Ok(())
}

/// C-Q2 The claim of a task that was cancelled and reopened stays lost.
pub(super) async fn a_claim_from_before_a_reopening_stays_lost(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let [g, h] = [s.take_of(at(1), "g").await?.claim, s.take_of(at(1), "h").await?.claim];
    s.end(at(2), failed(g, "Boom")).await?;
    s.note_down(at(3), turn(family.parent).note(0, 1, "n").cancel(1, h.task)).await?;
    s.end(at(4), retried_at(family.parent, at(4), before_child(1, family.operations[0].clone(), g.task))).await?;
    for old in [g, h] {
        let answer = s.write_one(at(5), turn(old).step(0, 0, "s", "late")).await?;
        assert_eq!(answer, TurnCommit::ClaimLost, "C-Q2");
        assert!(s.journal(old.task).await?.entries.is_empty());
        assert_eq!(s.state(old.task).await?, TaskState::Pending);
    }
    Ok(())
}

/// C-Y3 C-Y4 A retry from a point is the next attempt, counted once and by the retry, as no claim of a journal counts one.
pub(super) async fn a_retry_from_a_point_is_the_next_attempt(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), retried(task, at(1))).await?;
    let second = s.take_one(at(2)).await?.claim;
    s.note_down(at(2), turn(second).step(0, 0, "a", "1").entry(1, 1, broke(step(1, "b"), "Boom"))).await?;
    for _ in 0..2 {
        s.end(at(3), retried_at(second, at(3), before_turn(2, step(1, "b")))).await?;
    }
    let third = s.take_one(at(4)).await?;
    assert_eq!((third.attempt, third.is_fresh), (3, false), "C-Y3: its own attempts go on");
    s.end(at(5), retried_at(third.claim, at(5), at_the_end())).await?;
    assert_eq!(s.take_one(at(6)).await?.attempt, 4, "C-Y3: at the journal's end, too");
    Ok(())
}

/// C-Y3 C-Y5 A failure that the reopened child had passed on is reopened down to its cause: else the child would fail by it at once.
pub(super) async fn a_reopened_child_is_reopened_down_to_the_cause(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let middle = s.take_of(at(0), "g").await?.claim;
    s.call_all(at(0), middle, &[call(0, "h"), call(0, "f")]).await?;
    let leaf = s.take_of(at(0), "h").await?.claim;
    s.end(at(1), failed(leaf, "Boom")).await?;
    s.note_down(at(1), turn(middle).step(0, 0, "s", "kept").order(1, 2, call(0, "h"))).await?;
    s.end(at(2), passed_on(middle, "Boom", 2, call(0, "h"), leaf.task)).await?;
    let point = before_child(1, family.operations[0].clone(), middle.task);
    s.end(at(3), retried_at(family.parent, at(60), point)).await?;
    let other = child(middle.task, call(0, "f")).id;
    assert_eq!(s.states(&[middle.task, leaf.task, other]).await?, [TaskState::Pending; 3], "C-Y3: down to the cause");
    assert_eq!(told(&s.journal(middle.task).await?), [(0, gave(step(0, "s"), "kept"))], "C-Y3: cut at its own point");
    assert_eq!(s.dead_letter(leaf.task).await?, None);
    Ok(())
}
