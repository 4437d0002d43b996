//! Redrive: a failed execution goes on from what failed, keeping what succeeded.

use stent_core::backend::RedriveTarget::{self, DeadLetter, Execution};
use stent_core::claim::Claim;
use stent_core::commit::{Cancelled, Commit, Redriven, TurnCommit};
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::operation::OperationId;
use stent_core::outcome::Outcome;
use stent_core::task::{Resume, TaskEnd, TaskState};
use stent_core::{ExecutionId, TaskId, Timestamp};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, TICK, TaskWith, TurnWith, at, call, completed, execution, failed, failed_at, passed_on, payload,
    released, retried, secs, step, turn, turn_in, waiting,
};
use super::scenes::{Scenes, before_turn, broke, gave, only, told};
use super::store::{Checked, Fixture, Trouble};

/// An execution that failed by a leaf, two levels below its root.
pub(super) struct Fallen {
    pub(super) execution: ExecutionId,
    pub(super) root: Claim,
    pub(super) middle: Claim,
    pub(super) leaf: Claim,
}

impl Fallen {
    /// From the root down to the cause.
    pub(super) fn path(&self) -> [TaskId; 3] {
        [self.root.task, self.middle.task, self.leaf.task]
    }
}

/// Root calls middle, middle calls leaf, all running.
pub(super) async fn descent(s: &Fixture, root: NewExecution) -> Result<Fallen, Trouble> {
    let root = s.start(at(0), root).await?;
    s.call_all(at(0), root.claim, &[call(0, "g")]).await?;
    let middle = s.take_of(at(0), "g").await?.claim;
    s.call_all(at(0), middle, &[call(0, "h")]).await?;
    let leaf = s.take_of(at(0), "h").await?.claim;
    Ok(Fallen { execution: root.execution, root: root.claim, middle, leaf })
}

/// The end of a parent that passes on the failure of a child that it called.
pub(super) fn passes_on(parent: Claim, of: &str, child: Claim) -> TaskEnd {
    passed_on(parent, "Boom", 1, call(0, of), child.task)
}

/// The leaf fails, and both above it pass the failure on.
pub(super) async fn fall(s: &Fixture, root: NewExecution) -> Result<Fallen, Trouble> {
    let fallen = descent(s, root).await?;
    s.end(at(1), failed(fallen.leaf, "Boom")).await?;
    s.end(at(2), passes_on(fallen.middle, "h", fallen.leaf)).await?;
    s.end(at(3), passes_on(fallen.root, "g", fallen.middle)).await?;
    Ok(fallen)
}

/// C-Y5 A leaf's failure that went through two parents is redriven by its execution or by its dead letter: all of the path is pending.
pub(super) async fn a_failure_through_two_parents_is_redriven(s: Fixture) -> Checked {
    for by_letter in [false, true] {
        let fallen = fall(&s, execution("parent").priority(i32::from(by_letter))).await?;
        assert_eq!(s.count_dead_letters(&Default::default()).await?, 1);
        let target = if by_letter { DeadLetter(fallen.leaf.task) } else { Execution(fallen.execution) };
        assert_eq!(s.redrive(at(4), target).await?, Redriven::Done, "C-Y5: {target:?}");
        assert_eq!(s.states(&fallen.path()).await?, [TaskState::Pending; 3], "C-Y5: the whole path");
        assert_eq!(s.count_dead_letters(&Default::default()).await?, 0, "C-Y5: its dead letters are removed");
        assert_eq!(s.shown(fallen.execution).await?, ExecutionState::Running, "C-X3: it was started");
        assert_eq!(s.tasks(&fallen.path()).await?, [None, None, None]);
        assert_eq!(s.cancel(at(5), fallen.execution).await?, Cancelled::Done);
    }
    Ok(())
}

/// C-Y5 A redriven execution goes on with what it has, and may complete.
pub(super) async fn a_redriven_execution_may_complete(mut s: Fixture) -> Checked {
    let fallen = fall(&s, execution("parent")).await?;
    assert_eq!(s.redrive(at(4), Execution(fallen.execution)).await?, Redriven::Done);
    s.reopen().await?;
    let root = s.take_of(at(5), "parent").await?;
    assert_eq!((root.claim.task, root.is_fresh, root.generation), (fallen.root.task, false, 0));
    let children = s.journal(root.claim.task).await?.children;
    let children: Vec<_> = children.into_iter().map(|child| (child.id, child.ended)).collect();
    assert_eq!(children, [(fallen.middle.task, None)], "C-Y5: it waits for the same child again");
    s.rest(at(5), waiting(root.claim, Vec::new())).await?;
    let middle = s.take_of(at(5), "g").await?.claim;
    s.rest(at(5), waiting(middle, Vec::new())).await?;
    let leaf = s.take_of(at(5), "h").await?.claim;
    s.end(at(6), completed(leaf, "leaf")).await?;
    let middle = s.take_of(at(6), "g").await?.claim;
    s.end(at(7), completed(middle, "middle")).await?;
    let root = s.take_of(at(7), "parent").await?.claim;
    s.end(at(8), completed(root, "out")).await?;
    assert_eq!(s.outcome(root.task).await?, Outcome::Completed(payload("out")));
    Ok(())
}

/// C-Y5 Redriven tasks have fresh attempts, whatever they had used up.
pub(super) async fn redriven_tasks_have_fresh_attempts(s: Fixture) -> Checked {
    let mut task = s.start(at(0), execution("f")).await?;
    for _ in 1..3 {
        s.end(at(1), retried(task.claim, at(1))).await?;
        task = s.take_one(at(1)).await?;
    }
    assert_eq!(task.attempt, 3);
    s.end(at(2), failed(task.claim, "Boom")).await?;
    assert_eq!(s.redrive(at(3), Execution(task.execution)).await?, Redriven::Done);
    let again = s.take_one(at(4)).await?;
    assert_eq!((again.claim.task, again.attempt, again.deliveries), (task.claim.task, 1, 0), "C-Y5");
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.ended_at, record.started_at), (None, Some(at(0))));
    Ok(())
}

/// C-Y5 Tasks that are redriven with a journal begin with the first attempt, too.
pub(super) async fn fresh_attempts_do_not_need_an_empty_journal(s: Fixture) -> Checked {
    let fallen = fall(&s, execution("parent")).await?;
    assert_eq!(s.redrive(at(4), Execution(fallen.execution)).await?, Redriven::Done);
    for of in ["parent", "g", "h"] {
        assert_eq!(s.take_of(at(5), of).await?.attempt, 1, "C-Y5: {of}");
    }
    Ok(())
}

/// C-Y5 C-T3 The deadline begins anew at the redrive.
pub(super) async fn the_deadline_begins_anew(s: Fixture) -> Checked {
    let fallen = fall(&s, execution("parent").max_duration(secs(100))).await?;
    assert_eq!(s.redrive(at(90), Execution(fallen.execution)).await?, Redriven::Done);
    let record = s.execution(fallen.execution).await?;
    assert_eq!(record.and_then(|record| record.deadline), Some(at(190)), "C-Y5: `max_duration` from now");
    assert_eq!(s.expire(at(190).before(TICK), 9).await?, []);
    assert_eq!(s.expire(at(190), 9).await?, [fallen.execution]);
    Ok(())
}

/// C-Y5 C-Y6 What the failure cancelled, by the root's end or in its last turns, is reopened; what was abandoned earlier is not.
pub(super) async fn what_the_failure_cancelled_goes_on_too(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h", "f", "item"]).await?;
    let [g, h, f, item] = [0, 1, 2, 3].map(|child| family.children[child]);
    let running = s.take_of(at(0), "h").await?.claim;
    let below = s.call_all(at(0), running, &[call(0, "g")]).await?[0];
    s.note_down(at(1), turn(family.parent).note(0, 1, "n").cancel(1, item)).await?;
    for task in s.take(at(1), only("g")).await? {
        if task.claim.task == g {
            s.end(at(1), failed(task.claim, "Boom")).await?;
        }
    }
    s.note_down(at(2), turn(family.parent).note(1, 2, "n").cancel(2, f)).await?;
    s.end(at(3), passed_on(family.parent, "Boom", 2, family.operations[0].clone(), g)).await?;
    assert_eq!(s.states(&[h, below, f, item]).await?, [TaskState::Cancelled; 4], "C-Y6");
    assert_eq!(s.redrive(at(4), Execution(family.execution)).await?, Redriven::Done);
    assert_eq!(s.states(&[g, h, below, f]).await?, [TaskState::Pending; 4], "C-Y5: what the failure cancelled");
    assert_eq!(s.state(item).await?, TaskState::Cancelled, "C-Y5: abandoned before the failure");
    Ok(())
}

/// C-Y5 C-Y3 The journals on the path are cut at their points.
pub(super) async fn the_journals_on_the_path_are_cut(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(0), "g").await?.claim;
    let inner = turn(child).step(0, 0, "a", "1").entry(1, 1, broke(step(1, "b"), "Boom"));
    s.note_down(at(1), inner).await?;
    s.end(at(1), failed_at(child, "Boom", before_turn(2, step(1, "b")))).await?;
    let called = family.operations[0].clone();
    let outer = turn(family.parent).step(0, 0, "c", "2").order(1, 2, called.clone()).step(2, 2, "d", "3");
    s.note_down(at(2), outer).await?;
    s.end(at(2), passed_on(family.parent, "Boom", 2, called, child.task)).await?;
    assert_eq!(s.redrive(at(3), DeadLetter(child.task)).await?, Redriven::Done);
    let outer = s.journal(family.parent.task).await?;
    assert_eq!(told(&outer), [(0, gave(step(0, "c"), "2")), (1, gave(step(2, "d"), "3"))], "C-Y3: cut before turn 2");
    assert_eq!(told(&s.journal(child.task).await?), [(0, gave(step(0, "a"), "1"))], "C-Y3: the step is reopened");
    Ok(())
}

/// C-Y5 C-M3 A map that failed by an item goes on with its failed and cancelled items.
pub(super) async fn a_map_goes_on_with_its_failed_items(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let map = family.operations[0].clone();
    let items = s.take_items(at(0)).await?;
    s.end(at(1), completed(items[0], "0")).await?;
    s.end(at(1), failed(items[2], "Boom")).await?;
    s.end(at(1), failed(items[3], "Boom")).await?;
    let over = turn(family.parent).entry(1, 0, broke(map.clone(), "Boom")).cancel_map(1, map.clone());
    s.note_down(at(2), over).await?;
    s.end(at(3), passed_on(family.parent, "Boom", 1, map.clone(), family.children[2])).await?;
    assert_eq!(s.redrive(at(4), DeadLetter(family.children[2])).await?, Redriven::Done);
    let [completed, pending] = [TaskState::Completed, TaskState::Pending];
    assert_eq!(s.states(&family.children).await?, [completed, pending, pending, pending], "C-Y5");
    assert_eq!(s.count_dead_letters(&Default::default()).await?, 0);
    assert_eq!(s.journal(family.parent.task).await?.entries.len(), 1, "C-M3: the map's end is deleted");
    Ok(())
}

/// C-Y5 C-Y3 A task that resumes by a restart begins a new generation; what its old one left open stays cancelled.
pub(super) async fn a_restart_by_redrive_begins_a_new_generation(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    s.note_down(at(1), turn(family.parent).step(0, 0, "s", "old")).await?;
    s.end(at(2), failed_at(family.parent, "Boom", Resume::Restart)).await?;
    assert_eq!(s.redrive(at(3), DeadLetter(family.parent.task)).await?, Redriven::Done);
    let again = s.take_of(at(4), "parent").await?;
    assert_eq!((again.generation, again.is_fresh, again.attempt), (1, true, 1), "C-Y3");
    assert_eq!(s.state(family.children[0]).await?, TaskState::Cancelled, "C-Y3: of the old generation");
    Ok(())
}

/// C-R10 C-Y3 What an older generation had abandoned is none of the present one's: it stays cancelled.
pub(super) async fn what_an_older_generation_abandoned_stays_so(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    s.note_down(at(1), turn(family.parent).note(0, 7, "n").cancel(7, family.children[0])).await?;
    s.end(at(2), retried(family.parent, at(2))).await?;
    let again = s.take_of(at(3), "parent").await?;
    let failing = step(0, "s");
    s.note_down(at(3), turn_in(again.claim, again.generation).entry(0, 0, broke(failing.clone(), "Boom"))).await?;
    s.end(at(4), failed_at(again.claim, "Boom", before_turn(1, failing))).await?;
    assert_eq!(s.redrive(at(5), Execution(family.execution)).await?, Redriven::Done);
    assert_eq!(s.state(family.parent.task).await?, TaskState::Pending);
    assert_eq!(s.state(family.children[0]).await?, TaskState::Cancelled, "C-R10: of another generation");
    Ok(())
}

/// C-T3 C-Y5 A timed-out execution goes on at its journal's end, and what its deadline cancelled is reopened; what it had abandoned is not.
pub(super) async fn a_timed_out_execution_goes_on_where_it_was(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent").max_duration(secs(50))).await?;
    let calls: [OperationId; 3] = ["g", "h", "f"].map(|of| call(0, of));
    let children = s.call_all(at(0), root.claim, &calls).await?;
    let write = turn(root.claim).step(0, 0, "s", "x").order(1, 2, calls[2].clone()).cancel(2, children[2]);
    s.note_down(at(1), write).await?;
    let middle = s.take_of(at(1), "g").await?.claim;
    let below = s.call_all(at(1), middle, &[call(0, "item")]).await?[0];
    s.rest(at(2), waiting(middle, Vec::new())).await?;
    let journal = s.journal(root.claim.task).await?;
    assert_eq!(s.expire(at(50), 9).await?, [root.execution]);
    assert_eq!(s.redrive(at(60), Execution(root.execution)).await?, Redriven::Done, "C-Y5: timed out");
    let states = s.states(&[root.claim.task, children[0], children[1], below]).await?;
    assert_eq!(states, [TaskState::Pending; 4], "C-T3: what the deadline cancelled");
    assert_eq!(s.state(children[2]).await?, TaskState::Cancelled, "C-R9: abandoned before");
    assert_eq!(s.journal(root.claim.task).await?.entries, journal.entries, "C-T3: nothing is cut");
    let record = s.execution(root.execution).await?;
    assert_eq!(record.and_then(|record| record.deadline), Some(at(110)));
    Ok(())
}

/// C-Q2 Claims from before a redrive stay lost.
pub(super) async fn claims_from_before_a_redrive_stay_lost(s: Fixture) -> Checked {
    let fallen = fall(&s, execution("parent")).await?;
    assert_eq!(s.redrive(at(4), Execution(fallen.execution)).await?, Redriven::Done);
    for old in [fallen.root, fallen.middle, fallen.leaf] {
        let late = s.write_one(at(5), turn(old).note(9, 9, "late")).await?;
        assert_eq!(late, TurnCommit::ClaimLost, "C-Q2");
        for end in [completed(old, "late"), failed(old, "Boom"), retried(old, at(9)), released(old)] {
            let late = s.finish(at(5), end).await?;
            assert_eq!(late, Commit::ClaimLost, "C-Q2: a reopened task is not ended by an old claim");
        }
    }
    assert_eq!(s.states(&fallen.path()).await?, [TaskState::Pending; 3]);
    Ok(())
}

/// C-Y5 An execution may fail and be redriven again and again.
pub(super) async fn an_execution_may_be_redriven_after_every_failure(s: Fixture) -> Checked {
    let mut task = s.start(at(0), execution("f")).await?;
    let target: RedriveTarget = DeadLetter(task.claim.task);
    for round in 1..4 {
        let now: Timestamp = at(round);
        s.end(now, failed(task.claim, "Boom")).await?;
        let letter = s.dead_letter(task.claim.task).await?;
        assert_eq!(letter.map(|letter| (letter.at, letter.attempts)), Some((now, 1)), "C-Y5: a new snapshot");
        assert_eq!(s.redrive(now, target).await?, Redriven::Done);
        assert_eq!(s.dead_letter(task.claim.task).await?, None);
        task = s.take_one(now).await?;
    }
    Ok(())
}
