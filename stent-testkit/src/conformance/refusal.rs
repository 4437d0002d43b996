//! Refused redrives: what did not end in failure, was handled on its way up, or goes on already, and who stands in the way.

use stent_core::TaskId;
use stent_core::backend::RedriveTarget::{DeadLetter, Execution};
use stent_core::claim::Claim;
use stent_core::commit::{Cancelled, Redriven, RefusedRedrive};
use stent_core::execution::ExecutionState;
use stent_core::task::{Resume, TaskState};

use super::acts::Acts;
use super::builders::{TaskWith, at, completed, execution, failed, failed_at, next_execution_id, sleeping};
use super::redrive::{descent, fall, passes_on};
use super::scenes::{Scenes, at_once};
use super::store::{Checked, Fixture, Trouble};

fn refused(why: RefusedRedrive) -> Redriven {
    Redriven::Refused(why)
}

fn in_state(state: ExecutionState) -> Redriven {
    refused(RefusedRedrive::State(state))
}

/// Demands that a redrive is refused by this task, for this reason if one is known.
fn demand_in_the_way(answer: Redriven, by: TaskId, known: Option<&str>) {
    match answer {
        Redriven::Refused(RefusedRedrive::NotResumable { task, reason }) => {
            assert_eq!(task, by, "C-Y5: the task that stands in the way");
            assert!(known.is_none_or(|known| reason.contains(known)), "C-Y5: it says why, not {reason:?}");
        }
        other => panic!("C-Y5: {by:?} cannot resume, but the redrive was answered {other:?}"),
    }
}

/// C-Y5 An execution is redriven once: who comes second finds it open.
pub(super) async fn a_second_redrive_is_refused(s: Fixture) -> Checked {
    let fallen = fall(&s, execution("parent")).await?;
    assert_eq!(s.redrive(at(4), Execution(fallen.execution)).await?, Redriven::Done);
    let open = in_state(ExecutionState::Running);
    assert_eq!(s.redrive(at(5), Execution(fallen.execution)).await?, open, "C-Y5: once");
    let letter = s.redrive(at(5), DeadLetter(fallen.leaf.task)).await?;
    assert!([open, refused(RefusedRedrive::Unknown)].contains(&letter), "C-Y5: its dead letter is gone: {letter:?}");
    Ok(())
}

/// C-Y5 Of two redrives at once one is done.
pub(super) async fn of_two_redrives_at_once_one_is_done(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..20 {
        let fallen = fall(&s, execution("parent").priority(round)).await?;
        let (a, b) = (here.clone(), there.clone());
        let answers = at_once(
            async move { a.redrive(at(4), Execution(fallen.execution)).await.map_err(Trouble::from) },
            async move { b.redrive(at(4), Execution(fallen.execution)).await.map_err(Trouble::from) },
        )
        .await?;
        let open = in_state(ExecutionState::Running);
        let fair = [(Redriven::Done, open.clone()), (open, Redriven::Done)];
        assert!(fair.contains(&answers), "C-Y5: {answers:?}");
        assert_eq!(s.cancel(at(5), fallen.execution).await?, Cancelled::Done);
    }
    Ok(())
}

/// C-Y5 What nobody knows is not redriven.
pub(super) async fn an_unknown_target_is_refused(s: Fixture) -> Checked {
    let unknown = next_execution_id();
    for target in [Execution(unknown), DeadLetter(unknown.root())] {
        assert_eq!(s.redrive(at(0), target).await?, refused(RefusedRedrive::Unknown), "C-Y5: {target:?}");
    }
    let fallen = fall(&s, execution("parent")).await?;
    for no_letter in [fallen.root.task, fallen.middle.task] {
        let answer = s.redrive(at(4), DeadLetter(no_letter)).await?;
        assert_eq!(answer, refused(RefusedRedrive::Unknown), "C-Y5: it passed the failure on");
    }
    Ok(())
}

/// C-Y5 An execution that runs, completed or was cancelled is not redriven, and is told to be so.
pub(super) async fn an_execution_that_did_not_fail_is_refused(s: Fixture) -> Checked {
    let later = s.create(at(0), execution("h").due(at(900))).await?;
    let free = s.create(at(0), execution("g")).await?;
    let done = s.start(at(0), execution("f").priority(1)).await?;
    let stopped = s.start(at(0), execution("f").priority(2)).await?;
    let asleep = s.start(at(0), execution("f").priority(3)).await?;
    let running = s.start(at(0), execution("f").priority(4)).await?;
    s.end(at(1), completed(done.claim, "out")).await?;
    assert_eq!(s.cancel(at(1), stopped.execution).await?, Cancelled::Done);
    s.rest(at(1), sleeping(asleep.claim, at(900))).await?;
    let expected = [
        (later, ExecutionState::Scheduled),
        (free, ExecutionState::Pending),
        (done.execution, ExecutionState::Completed),
        (stopped.execution, ExecutionState::Cancelled),
        (asleep.execution, ExecutionState::Suspended),
        (running.execution, ExecutionState::Running),
    ];
    for (execution, state) in expected {
        assert_eq!(s.redrive(at(2), Execution(execution)).await?, in_state(state), "C-Y5");
        assert_eq!(s.shown(execution).await?, state, "C-Y5: nothing changed");
    }
    Ok(())
}

/// C-Y5 A dead letter below an execution that goes on, or that completed, is not redriven.
pub(super) async fn a_dead_letter_of_an_execution_that_goes_on_is_refused(s: Fixture) -> Checked {
    let path = descent(&s, execution("parent")).await?;
    s.end(at(1), failed(path.leaf, "Boom")).await?;
    let letter = DeadLetter(path.leaf.task);
    assert_eq!(s.redrive(at(2), letter).await?, in_state(ExecutionState::Running), "C-Y5");
    s.end(at(3), completed(path.middle, "handled")).await?;
    s.end(at(4), completed(path.root, "out")).await?;
    assert_eq!(s.redrive(at(5), letter).await?, in_state(ExecutionState::Completed), "C-Y5");
    assert!(s.dead_letter(path.leaf.task).await?.is_some(), "C-Y5: a refused redrive changes nothing");
    Ok(())
}

/// C-X3 What retention has begun to delete is not redriven.
pub(super) async fn an_execution_that_is_being_deleted_is_refused(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 1_500).await?;
    s.end(at(1), failed(family.parent, "Boom")).await?;
    let pruned = s.prune(at(100), at(50)).await?;
    assert!(pruned.more, "C-X3: at most a batch of rows at once, not {}", pruned.rows);
    let answer = s.redrive(at(101), Execution(family.execution)).await?;
    assert_eq!(answer, refused(RefusedRedrive::Deleting), "C-X3");
    while s.prune(at(102), at(50)).await?.more {}
    let answer = s.redrive(at(103), Execution(family.execution)).await?;
    assert_eq!(answer, refused(RefusedRedrive::Unknown), "C-X3: now it is gone");
    Ok(())
}

/// C-Y5 A task of the path that cannot resume refuses the redrive, says why, and nothing changes.
pub(super) async fn a_task_that_cannot_resume_refuses(s: Fixture) -> Checked {
    let failing = |claim: Claim| failed_at(claim, "Boom", Resume::Refused("made a call after the failure".into()));
    for (round, depth) in (0..).zip([0, 1, 2]) {
        let path = descent(&s, execution("parent").priority(round)).await?;
        let ends =
            [passes_on(path.root, "g", path.middle), passes_on(path.middle, "h", path.leaf), failed(path.leaf, "Boom")];
        for (level, end) in ends.into_iter().enumerate().rev() {
            let end = if level == depth { failing(end.claim) } else { end };
            s.end(at(1), end).await?;
        }
        let before = s.tasks(&path.path()).await?;
        let answer = s.redrive(at(2), Execution(path.execution)).await?;
        demand_in_the_way(answer, path.path()[depth], Some("made a call after the failure"));
        assert_eq!(s.tasks(&path.path()).await?, before, "C-Y5: nothing changed");
    }
    Ok(())
}

/// C-Y5 A dead letter whose failure was handled on its way up is refused with the nearest ancestor that handled it.
pub(super) async fn a_handled_failure_is_refused_with_who_handled_it(s: Fixture) -> Checked {
    let path = descent(&s, execution("parent")).await?;
    s.end(at(1), failed(path.leaf, "Boom")).await?;
    s.end(at(2), completed(path.middle, "handled")).await?;
    s.end(at(3), failed(path.root, "OfItsOwn")).await?;
    demand_in_the_way(s.redrive(at(4), DeadLetter(path.leaf.task)).await?, path.middle.task, None);
    assert_eq!(s.redrive(at(5), Execution(path.execution)).await?, Redriven::Done, "C-Y5: the root's own cause");
    let [pending, completed, failed] = [TaskState::Pending, TaskState::Completed, TaskState::Failed];
    assert_eq!(s.states(&path.path()).await?, [pending, completed, failed], "C-Y5: the root alone");
    assert!(s.dead_letter(path.leaf.task).await?.is_some(), "C-Y5: not on the path");
    Ok(())
}

/// C-Y5 An ancestor that failed of its own stands in the way of the dead letter below it.
pub(super) async fn an_ancestor_that_failed_of_its_own_stands_in_the_way(s: Fixture) -> Checked {
    let path = descent(&s, execution("parent")).await?;
    s.end(at(1), failed(path.leaf, "Boom")).await?;
    s.end(at(2), passes_on(path.middle, "h", path.leaf)).await?;
    s.end(at(3), failed(path.root, "OfItsOwn")).await?;
    demand_in_the_way(s.redrive(at(4), DeadLetter(path.leaf.task)).await?, path.root.task, None);
    assert_eq!(s.redrive(at(5), DeadLetter(path.root.task)).await?, Redriven::Done, "C-Y5: the root's own");
    assert_eq!(s.states(&path.path()).await?, [TaskState::Pending, TaskState::Failed, TaskState::Failed]);
    Ok(())
}
