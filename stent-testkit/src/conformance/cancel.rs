//! Cancellation: final, atomic, repeatable.

use stent_core::backend::Page;
use stent_core::backend::TaskFilter;
use stent_core::claim::Renewal;
use stent_core::commit::{Cancelled, Commit};
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{TaskState, Wait};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TaskWith, TurnWith, at, call, child, completed, execution, failed, has, items, map,
    next_execution_id, nth_call, request, secs, signal_name, sleeping, turn, waiting, worker,
};
use super::store::{Checked, Fixture};

/// C-X1 An execution is cancelled in whatever open state it is, and nothing of it is claimed afterwards.
pub(super) async fn every_open_state_can_be_cancelled(s: Fixture) -> Checked {
    let running = s.start(at(0), execution("f")).await?.execution;
    let suspended = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(suspended.claim, at(50))).await?;
    let pending = s.create(at(0), execution("f")).await?;
    let scheduled = s.create(at(0), execution("f").due(at(50))).await?;
    let expected = [
        (running, ExecutionState::Running),
        (suspended.execution, ExecutionState::Suspended),
        (pending, ExecutionState::Pending),
        (scheduled, ExecutionState::Scheduled),
    ];
    for (id, before) in expected {
        assert_eq!(s.shown(id).await?, before);
        assert_eq!(s.cancel(at(1), id).await?, Cancelled::Done, "{before} can be cancelled");
        let ended = Ended { outcome: Outcome::Cancelled, at: at(1) };
        assert_eq!(s.status(id).await?, ExecutionStatus::Ended(ended));
    }
    assert!(s.take_all(at(100)).await?.is_empty(), "no task of a cancelled execution is claimed");
    Ok(())
}

/// C-X1 A repeat answers `Done` and moves nothing.
pub(super) async fn a_repeated_cancel_is_done(s: Fixture) -> Checked {
    let id = s.create(at(0), execution("f")).await?;
    for now in [at(1), at(2)] {
        assert_eq!(s.cancel(now, id).await?, Cancelled::Done);
    }
    let ended_at = s.execution(id).await?.and_then(|record| record.ended_at);
    assert_eq!(ended_at, Some(at(1)), "the first cancel is when it ended");
    Ok(())
}

/// C-X1 C-X3 What had ended otherwise stays as it is, and the answer says how it ended.
pub(super) async fn an_ended_execution_is_not_cancelled(s: Fixture) -> Checked {
    let done = s.start(at(0), execution("f")).await?;
    s.end(at(1), completed(done.claim, "done")).await?;
    let broken = s.start(at(0), execution("f")).await?;
    s.end(at(1), failed(broken.claim, "Timeout")).await?;
    let late = s.create(at(0), execution("f").max_duration(secs(1))).await?;
    s.expire(at(1), 10).await?;
    let expected = [
        (done.execution, ExecutionState::Completed),
        (broken.execution, ExecutionState::Failed),
        (late, ExecutionState::TimedOut),
    ];
    for (id, state) in expected {
        assert_eq!(s.cancel(at(2), id).await?, Cancelled::AlreadyFinal(state));
        assert_eq!(s.shown(id).await?, state);
    }
    Ok(())
}

/// C-X1 There is nothing to cancel under an unknown id, nor under a child's.
pub(super) async fn an_unknown_execution_is_unknown(s: Fixture) -> Checked {
    assert_eq!(s.cancel(at(0), next_execution_id()).await?, Cancelled::Unknown);
    let root = s.start(at(0), execution("parent")).await?;
    let part = child(root.claim.task, call(0, "f"));
    let id = part.id;
    s.note_down(at(0), turn(root.claim).child(part)).await?;
    assert_eq!(s.cancel(at(0), id.as_execution()).await?, Cancelled::Unknown, "a child is no execution");
    assert_eq!(s.state(id).await?, TaskState::Pending);
    Ok(())
}

/// C-X1 C-Y6 Open tasks below are cancelled down to the last level, whatever their state; ended ones stay.
pub(super) async fn a_cancel_reaches_every_level_and_every_open_state(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let below = |number| child(root.claim.task, nth_call(0, "f", number));
    let [running, suspended, ended, pending] = [0, 1, 2, 3].map(|number| below(number).id);
    let scheduled = below(4).due(at(90));
    let scheduled_id = scheduled.id;
    let mapped = items(root.claim.task, &map(0, "item"), 0..3);
    let mapped_ids: Vec<_> = mapped.iter().map(|item| item.id).collect();
    let first = turn(root.claim).child(scheduled).children((0..3).map(below).collect()).children(mapped);
    s.note_down(at(0), first).await?;

    let mut grandchildren = Vec::new();
    for task in s.take(at(0), request().functions([has("f")])).await? {
        let own = child(task.claim.task, call(0, "g"));
        if task.claim.task == ended {
            s.end(at(0), completed(task.claim, "kept")).await?;
        } else {
            grandchildren.push(own.id);
            s.note_down(at(0), turn(task.claim).child(own)).await?;
        }
        if task.claim.task == suspended {
            s.rest(at(0), waiting(task.claim, vec![Wait::Signal(signal_name("go"))])).await?;
        }
    }
    s.note_down(at(0), turn(root.claim).child(below(3))).await?;
    assert_eq!((s.state(running).await?, s.state(suspended).await?), (TaskState::Running, TaskState::Suspended));
    assert_eq!((s.state(pending).await?, s.state(scheduled_id).await?), (TaskState::Pending, TaskState::Scheduled));

    assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
    let open = [root.claim.task, running, suspended, pending, scheduled_id];
    for task in open.into_iter().chain(grandchildren).chain(mapped_ids) {
        let record = s.look(task).await?;
        assert_eq!(
            (record.state, record.ended_at),
            (TaskState::Cancelled, Some(at(1))),
            "C-X1: execution and open tasks become `cancelled` in one transaction"
        );
    }
    assert_eq!(s.state(ended).await?, TaskState::Completed, "what had ended stays as it ended");
    assert!(s.take_all(at(100)).await?.is_empty());
    Ok(())
}

/// C-X1 A wide execution is cancelled whole, beyond any size of page or batch.
pub(super) async fn a_cancel_reaches_thousands_of_tasks(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    s.note_down(at(0), turn(root.claim).children(items(root.claim.task, &map(0, "item"), 0..2_500))).await?;
    assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
    let cancelled = TaskFilter { states: vec![TaskState::Cancelled], ..TaskFilter::default() };
    assert_eq!(s.count_tasks(&cancelled).await?, 2_501);
    Ok(())
}

/// C-X1 Whoever held a task of it learns so, and can end or write nothing more.
pub(super) async fn a_holder_learns_of_the_cancel_and_writes_nothing_more(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    s.note_down(at(0), turn(root.claim).child(child(root.claim.task, call(0, "f")))).await?;
    let below = s.take_one(at(0)).await?;
    assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
    let answers = s.renew(at(2), &worker(request().worker), &[root.claim, below.claim]).await?;
    assert_eq!(answers, [Renewal::Cancelled, Renewal::Cancelled]);
    for claim in [root.claim, below.claim] {
        assert_eq!(s.finish(at(2), completed(claim, "too late")).await?, Commit::ClaimLost);
        assert_eq!(s.outcome(claim.task).await?, Outcome::Cancelled);
    }
    Ok(())
}

/// C-X1 Cancelling one execution touches no other, not even one that it dispatched (C-Y6).
pub(super) async fn a_cancel_touches_no_other_execution(s: Fixture) -> Checked {
    let bystander = s.create(at(0), execution("f").due(at(1))).await?;
    let root = s.start(at(0), execution("parent")).await?;
    let own = execution("g");
    s.note_down(at(0), turn(root.claim).dispatch(own.clone())).await?;
    assert_eq!(s.cancel(at(1), root.execution).await?, Cancelled::Done);
    assert_eq!(s.shown(bystander).await?, ExecutionState::Scheduled);
    assert_eq!(s.shown(own.id).await?, ExecutionState::Pending, "C-Y6: an execution of its own outlives its maker");
    Ok(())
}

/// C-X1 A cancelled execution holds no claim, is in no worker's hands and says when it ended.
pub(super) async fn a_cancelled_task_shows_its_end(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("f")).await?;
    assert_eq!(s.cancel(at(3), root.execution).await?, Cancelled::Done);
    let tasks =
        s.list_tasks(&TaskFilter { execution: Some(root.execution), ..TaskFilter::default() }, Page::first(10)).await?;
    assert_eq!(tasks.len(), 1);
    assert_eq!((tasks[0].state, tasks[0].ended_at), (TaskState::Cancelled, Some(at(3))));
    assert_eq!(tasks[0].lease_until, None, "an ended task is held by nobody");
    Ok(())
}
