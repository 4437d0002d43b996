//! Deadlines: executions run out of time, whether a worker holds them or not.

use stent_core::claim::Renewal;
use stent_core::commit::Commit;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::TaskState;

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, failed, has, nth_call,
    request, secs, sleeping, turn, worker,
};
use super::store::{Checked, Fixture};

/// C-T3 A deadline at exactly `now` has passed; a microsecond earlier it has not.
pub(super) async fn a_deadline_passes_at_its_exact_time(s: Fixture) -> Checked {
    let id = s.create(at(0), execution("f").max_duration(secs(10))).await?;
    assert!(s.expire(at(10).before(TICK), 10).await?.is_empty(), "the deadline has not passed yet");
    assert_eq!(s.shown(id).await?, ExecutionState::Pending);
    assert_eq!(s.expire(at(10), 10).await?, [id], "a deadline at exactly `now` has passed");
    let ended = Ended { outcome: Outcome::TimedOut, at: at(10) };
    assert_eq!(s.status(id).await?, ExecutionStatus::Ended(ended));
    assert!(s.expire(at(11), 10).await?.is_empty(), "what was ended is not ended again");
    Ok(())
}

/// C-T3 Earliest deadline first, at most as many as asked for.
pub(super) async fn the_earliest_deadlines_go_first(s: Fixture) -> Checked {
    let mut ids = Vec::new();
    for seconds in [40, 10, 30, 20] {
        ids.push(s.create(at(0), execution("f").max_duration(secs(seconds))).await?);
    }
    assert!(s.expire(at(100), 0).await?.is_empty());
    assert_eq!(s.expire(at(100), 2).await?, [ids[1], ids[3]], "earliest deadline first, at most `limit`");
    assert_eq!(s.expire(at(100), 2).await?, [ids[2], ids[0]]);
    assert!(s.expire(at(100), 2).await?.is_empty());
    Ok(())
}

/// C-T3 A root times out whatever its state, even if no worker ever held it.
pub(super) async fn every_open_state_times_out(s: Fixture) -> Checked {
    let timed = || execution("f").max_duration(secs(5));
    let running = s.start(at(0), timed()).await?;
    let suspended = s.start(at(0), timed()).await?;
    s.rest(at(0), sleeping(suspended.claim, at(50))).await?;
    let pending = s.create(at(0), timed()).await?;
    let scheduled = s.create(at(0), timed().due(at(1))).await?;
    let ids = [running.execution, suspended.execution, pending, scheduled];
    let ended = s.expire(at(6), 10).await?;
    for id in ids {
        assert!(ended.contains(&id), "the answer names every execution that was ended");
        assert_eq!(s.shown(id).await?, ExecutionState::TimedOut);
    }
    assert!(s.take_all(at(100)).await?.is_empty());
    Ok(())
}

/// C-T3 C-X3 What ended in time, and what has no deadline, is left alone.
pub(super) async fn ended_and_unbounded_executions_do_not_time_out(s: Fixture) -> Checked {
    let timed = || execution("f").max_duration(secs(5));
    let done = s.start(at(0), timed()).await?;
    s.end(at(1), completed(done.claim, "in time")).await?;
    let broken = s.start(at(0), timed()).await?;
    s.end(at(1), failed(broken.claim, "Timeout")).await?;
    let cancelled = s.create(at(0), timed()).await?;
    let _ = s.cancel(at(1), cancelled).await?;
    let unbounded = s.create(at(0), execution("f")).await?;
    assert!(s.expire(at(1_000_000), 10).await?.is_empty());
    assert_eq!(s.shown(done.execution).await?, ExecutionState::Completed);
    assert_eq!(s.shown(broken.execution).await?, ExecutionState::Failed);
    assert_eq!(s.shown(cancelled).await?, ExecutionState::Cancelled);
    assert_eq!(s.shown(unbounded).await?, ExecutionState::Pending);
    Ok(())
}

/// C-T3 The root is `timed_out`; open tasks below it, on all levels and in all states, are `cancelled`.
pub(super) async fn a_deadline_cancels_everything_open_below(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent").max_duration(secs(5))).await?;
    let below = |number| child(root.claim.task, nth_call(0, "f", number));
    let scheduled = below(2).due(at(90));
    let first = turn(root.claim).child(below(0)).child(below(1)).child(scheduled);
    s.note_down(at(0), first).await?;
    let held = s.take(at(0), request().functions([has("f")])).await?;
    let [ended, running] = [held[0].claim, held[1].claim];
    s.end(at(1), completed(ended, "in time")).await?;
    let grandchild = child(running.task, call(0, "g"));
    let grandchild_id = grandchild.id;
    s.note_down(at(1), turn(running).child(grandchild)).await?;

    assert_eq!(s.expire(at(5), 10).await?, [root.execution]);
    assert_eq!(s.state(root.claim.task).await?, TaskState::TimedOut);
    for task in [running.task, grandchild_id, below(2).id] {
        assert_eq!(s.state(task).await?, TaskState::Cancelled, "only roots time out; what is below is cancelled");
    }
    assert_eq!(s.state(ended.task).await?, TaskState::Completed);
    assert!(s.take_all(at(100)).await?.is_empty());
    Ok(())
}

/// C-T3 C-Q2 The holder of a timed-out task has lost it, that of one below was cancelled; neither can write.
pub(super) async fn holders_learn_of_the_deadline(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent").max_duration(secs(5))).await?;
    s.note_down(at(0), turn(root.claim).child(child(root.claim.task, call(0, "f")))).await?;
    let below = s.take_one(at(0)).await?;
    s.expire(at(5), 10).await?;
    let answers = s.renew(at(6), &worker(request().worker), &[root.claim, below.claim]).await?;
    assert_eq!(answers, [Renewal::Lost, Renewal::Cancelled]);
    for claim in [root.claim, below.claim] {
        assert_eq!(s.finish(at(6), completed(claim, "too late")).await?, Commit::ClaimLost);
    }
    assert_eq!(s.outcome(root.claim.task).await?, Outcome::TimedOut);
    Ok(())
}

/// C-T3 Until it is applied a passed deadline ends nothing: who completes first has completed.
pub(super) async fn an_outcome_before_the_sweep_stands(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("f").max_duration(secs(5))).await?;
    s.end(at(7), completed(root.claim, "late but first")).await?;
    assert!(s.expire(at(8), 10).await?.is_empty());
    assert_eq!(s.shown(root.execution).await?, ExecutionState::Completed);
    Ok(())
}
