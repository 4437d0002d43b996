//! Retries and releases: a claim ends, and its task is tried again afresh, anew, or as if it had not been claimed.

use stent_core::claim::Renewal;
use stent_core::commit::Commit;
use stent_core::execution::ExecutionState;
use stent_core::task::{Resume, TaskState};
use stent_core::{Timestamp, WorkerId};

use super::acts::Acts;
use super::builders::{
    LEASE, TICK, TurnWith, at, call, child_in, completed, execution, failed_at, failure, released, released_until,
    request, retried, retried_at, turn, turn_in, worker,
};
use super::scenes::{Scenes, at_the_end};
use super::store::{Checked, Fixture};

/// C-Y3 C-Q1 A retry is scheduled for its time and claimed then, not a microsecond earlier.
pub(super) async fn a_retry_waits_for_its_time(mut s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(task.claim, at(60))).await?;
    s.reopen().await?;
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.state, record.due, record.ended_at), (TaskState::Scheduled, Some(at(60)), None));
    let early = s.claim(at(60).before(TICK), &request()).await?;
    assert!(early.tasks.is_empty(), "C-Q1: one microsecond early");
    assert_eq!(early.next_due, Some(at(60)));
    assert_eq!(s.take_one(at(60)).await?.claim.task, task.claim.task);
    Ok(())
}

/// C-Y3 A retry whose time has come, also at this very time, is free at once.
pub(super) async fn a_retry_whose_time_has_come_is_free_at_once(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    for when in [Timestamp::EPOCH, at(9)] {
        let claim = if when == at(9) { s.take_one(at(9)).await?.claim } else { task };
        s.end(at(9), retried(claim, when)).await?;
        assert_eq!(s.state(task.task).await?, TaskState::Pending);
    }
    Ok(())
}

/// C-Y1 A retry keeps the failure: an operator sees it, and the next attempt is told.
pub(super) async fn a_retry_keeps_its_failure(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    assert_eq!((task.attempt, task.last_failure), (1, None));
    s.end(at(1), retried(task.claim, at(60))).await?;
    assert_eq!(s.look(task.claim.task).await?.failure, Some(failure("Timeout")), "C-Y1: it is shown");
    let record = s.execution(task.execution).await?;
    assert_eq!(record.and_then(|record| record.failure), Some(failure("Timeout")));
    assert_eq!(s.shown(task.execution).await?, ExecutionState::Running);
    let again = s.take_one(at(60)).await?;
    assert_eq!((again.attempt, again.last_failure), (2, Some(failure("Timeout"))), "C-Y1");
    assert_eq!((again.generation, again.is_fresh, again.started_at), (0, true, at(0)));
    assert_eq!(again.journal_started_at, at(60), "C-R6: an empty journal begins with its claim");
    Ok(())
}

/// C-Y4 Every claim of an empty journal is an attempt, however the one before it was lost.
pub(super) async fn attempts_grow_claim_by_claim(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), retried(task, at(1))).await?;
    let second = s.take_one(at(2)).await?;
    let third = s.take_one(at(2).after(LEASE)).await?;
    assert_eq!((second.attempt, third.attempt), (2, 3), "C-Y4: a worker that dies uses one up");
    assert_eq!(third.last_failure, Some(failure("Timeout")));
    Ok(())
}

/// C-Y3 A restart begins a new generation if there is a journal, and cancels what the old one left open, with all below it.
pub(super) async fn a_restart_begins_a_new_generation(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    s.note_down(at(0), turn(family.parent).step(0, 0, "s", "old")).await?;
    let done = s.take_of(at(1), "h").await?.claim;
    s.end(at(1), completed(done, "out")).await?;
    let open = s.take_of(at(1), "g").await?.claim;
    let below = s.call_all(at(1), open, &[call(0, "f")]).await?;
    s.end(at(2), retried(family.parent, at(60))).await?;
    assert_eq!(s.states(&family.children).await?, [TaskState::Cancelled, TaskState::Completed], "C-Y3");
    assert_eq!(s.states(&below).await?, [TaskState::Cancelled], "C-Y3: with all below");
    assert_eq!(s.renew(at(3), &worker(WorkerId::random()), &[open]).await?, [Renewal::Cancelled]);
    assert_eq!(s.finish(at(3), completed(open, "late")).await?, Commit::ClaimLost);
    let again = s.take_of(at(60), "parent").await?;
    assert_eq!((again.generation, again.is_fresh, again.attempt), (1, true, 2), "C-Y3: a new journal, an attempt");
    assert_eq!(again.journal_started_at, at(60));
    Ok(())
}

/// C-Y3 A journal that has children alone is not empty: to restart is to begin a new generation.
pub(super) async fn children_alone_are_a_journal(s: Fixture) -> Checked {
    for (round, mapped) in (0..).zip([false, true]) {
        let now = at(round * 100);
        let family = if mapped { s.mapping(now, 2).await? } else { s.family(now, &["g"]).await? };
        s.end(now, retried(family.parent, now)).await?;
        let again = s.take_of(now, "parent").await?;
        assert_eq!((again.generation, again.is_fresh), (1, true), "C-Y3");
        assert!(s.states(&family.children).await?.iter().all(|state| *state == TaskState::Cancelled));
        s.end(now, completed(again.claim, "out")).await?;
    }
    Ok(())
}

/// C-Y3 A restart with an empty journal uses no generation up.
pub(super) async fn a_restart_with_an_empty_journal_keeps_its_generation(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), retried(task, at(1))).await?;
    let again = s.take_one(at(2)).await?;
    s.note_down(at(2), turn(again.claim).step(0, 0, "s", "x")).await?;
    s.end(at(3), retried(again.claim, at(3))).await?;
    let third = s.take_one(at(4)).await?;
    s.end(at(5), retried(third.claim, at(5))).await?;
    let fourth = s.take_one(at(6)).await?;
    assert_eq!([again, third, fourth].map(|task| task.generation), [0, 1, 1], "C-Y3: one journal, one generation");
    Ok(())
}

/// C-Y3 A repeat of a restart begins no other generation, and cancels nothing of the new one.
pub(super) async fn a_repeated_restart_acts_once(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    for _ in 0..3 {
        assert_eq!(s.finish(at(1), retried(family.parent, at(2))).await?, Commit::Applied);
    }
    let again = s.take_of(at(3), "parent").await?;
    assert_eq!(again.generation, 1);
    let made = child_in(again.claim.task, 1, call(0, "g"));
    s.note_down(at(3), turn_in(again.claim, 1).child(made.clone())).await?;
    assert_eq!(s.finish(at(4), retried(family.parent, at(2))).await?, Commit::ClaimLost, "C-Q2: superseded");
    assert_eq!(s.state(made.id).await?, TaskState::Pending);
    Ok(())
}

/// C-Y3 A retry at the journal's end keeps journal, generation and children: nothing is cut.
pub(super) async fn a_retry_at_the_journals_end_cuts_nothing(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let write = turn(family.parent).step(0, 0, "s", "x").order(1, 2, family.operations[0].clone()).note(2, 2, "n");
    s.note_down(at(1), write).await?;
    let journal = s.journal(family.parent.task).await?;
    s.end(at(2), retried_at(family.parent, at(2), at_the_end())).await?;
    assert_eq!(s.journal(family.parent.task).await?, journal, "C-Y3: nothing is cut");
    let again = s.take_of(at(3), "parent").await?;
    assert_eq!((again.generation, again.is_fresh), (0, false));
    assert_eq!(again.last_failure, Some(failure("Timeout")));
    assert_eq!(again.journal_started_at, at(0), "C-R6: it is the same journal");
    assert_eq!(s.state(family.children[0]).await?, TaskState::Pending);
    Ok(())
}

/// C-Y4 A release gives the attempt back, and shows its reason.
pub(super) async fn a_release_gives_the_attempt_back(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), retried(task, at(1))).await?;
    let mut claim = s.take_one(at(2)).await?;
    for seconds in 3..6 {
        assert_eq!(claim.attempt, 2, "C-Y4: a release uses up nothing");
        let end = released_until(claim.claim, None, Some("draining"));
        assert_eq!(s.finish(at(seconds), end.clone()).await?, Commit::Applied);
        assert_eq!(s.finish(at(seconds), end).await?, Commit::Applied);
        let record = s.look(task.task).await?;
        assert_eq!((record.state, record.attempt), (TaskState::Pending, 1), "C-Y4: given back once");
        assert_eq!(record.reason.as_deref(), Some("draining"));
        claim = s.take_one(at(seconds)).await?;
    }
    assert_eq!(claim.last_failure, Some(failure("Timeout")), "C-Y1: the failure before is kept");
    Ok(())
}

/// C-R4 A release until a later time is scheduled; until one that has come, free at once.
pub(super) async fn a_release_waits_for_its_time(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), released_until(task.claim, Some(at(9)), Some("Nondeterminism: turn 3"))).await?;
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.state, record.due), (TaskState::Scheduled, Some(at(9))));
    assert_eq!(record.reason.as_deref(), Some("Nondeterminism: turn 3"), "C-R4: a visible reason");
    assert!(s.take_all(at(9).before(TICK)).await?.is_empty());
    let again = s.take_one(at(9)).await?;
    s.end(at(10), released_until(again.claim, Some(at(10)), None)).await?;
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.state, record.due), (TaskState::Pending, Some(at(9))), "C-Y4: with the due time that it had");
    let early = s.take_one(at(10)).await?;
    s.end(at(5), released(early.claim)).await?;
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.state, record.due), (TaskState::Pending, Some(at(9))), "C-X2: whose clock is behind, too");
    Ok(())
}

/// C-Y4 A release with a journal keeps it; the replay is the attempt that it was.
pub(super) async fn a_release_keeps_the_journal_and_its_attempt(s: Fixture) -> Checked {
    let mut claim = s.start(at(0), execution("f")).await?;
    s.note_down(at(1), turn(claim.claim).step(0, 0, "s", "x")).await?;
    for seconds in 2..5 {
        s.end(at(seconds), released(claim.claim)).await?;
        claim = s.take_one(at(seconds)).await?;
        assert_eq!((claim.attempt, claim.deliveries, claim.is_fresh), (1, 0, false), "C-Y4: a replay is no attempt");
        assert_eq!((claim.generation, claim.journal_started_at), (0, at(0)), "C-R6");
    }
    assert_eq!(s.journal(claim.claim.task).await?.entries.len(), 1);
    Ok(())
}

/// C-Y4 A release leaves the children of its journal running.
pub(super) async fn a_release_cancels_nothing(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    s.take_of(at(1), "g").await?;
    s.end(at(2), released_until(family.parent, Some(at(60)), Some("draining"))).await?;
    assert_eq!(s.states(&family.children).await?, [TaskState::Running, TaskState::Pending]);
    Ok(())
}

/// C-Y5 A failure that is final is no retry: it is not claimed again.
pub(super) async fn what_failed_for_good_is_not_claimed_again(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.end(at(1), failed_at(task, "Boom", Resume::Refused("handled".into()))).await?;
    assert!(s.take_all(at(1_000_000)).await?.is_empty());
    let record = s.look(task.task).await?;
    assert_eq!((record.state, record.ended_at, record.worker), (TaskState::Failed, Some(at(1)), None));
    Ok(())
}
