//! Claims after claims: what ran out is taken over, and the next holder is told of attempts, deliveries and the journal.

use stent_core::WorkerId;

use super::acts::Acts;
use super::builders::{
    RequestWith, TICK, TaskWith, TurnWith, at, call, child, execution, executions_of, failure, has, ids_of, request,
    retried, sleeping, turn,
};
use super::store::{Checked, Fixture};

/// C-Q2 A claim is free again at exactly its lease's end, not before.
pub(super) async fn an_expired_claim_is_taken_over_at_its_exact_time(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f")).await?;
    assert!(s.take_all(at(10).before(TICK)).await?.is_empty(), "the lease has not run out");
    let second = WorkerId::random();
    let taken = s.take(at(10), request().worker(second)).await?;
    assert_eq!(ids_of(&taken), [held.claim.task], "a lease that ends at exactly `now` has ended");
    assert_eq!(s.look(held.claim.task).await?.worker, Some(second));
    Ok(())
}

/// C-Q1 What is taken over stands in the order like everything else.
pub(super) async fn expired_claims_and_pending_tasks_share_one_order(s: Fixture) -> Checked {
    let low = s.start(at(0), execution("f").priority(1)).await?.execution;
    let high = s.start(at(0), execution("f").priority(3)).await?.execution;
    let middle = s.create(at(0), execution("f").priority(2)).await?;
    let lowest = s.create(at(0), execution("f")).await?;
    assert_eq!(executions_of(&s.take_all(at(10)).await?), [high, middle, low, lowest]);
    Ok(())
}

/// C-Y4 A worker that is back from an outage leaves expired claims to their holders.
pub(super) async fn expired_claims_can_be_left_alone(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f")).await?;
    let free = s.create(at(20), execution("f")).await?;
    assert_eq!(executions_of(&s.take(at(20), request().without_expired()).await?), [free]);
    assert_eq!(executions_of(&s.take_all(at(20)).await?), [held.execution]);
    Ok(())
}

/// C-Q2 Filters hold for expired claims as for pending tasks.
pub(super) async fn an_expired_claim_goes_only_to_those_who_may_have_it(s: Fixture) -> Checked {
    let held = s.start(at(0), execution("f").queue("mail").tags(&["eu"])).await?;
    assert!(s.take(at(20), request().functions([has("g")])).await?.is_empty());
    assert!(s.take(at(20), request().queues(&["post"])).await?.is_empty());
    assert!(s.take(at(20), request().tags(&["us"])).await?.is_empty());
    assert_eq!(executions_of(&s.take(at(20), request().queues(&["mail"]).tags(&["eu"])).await?), [held.execution]);
    Ok(())
}

/// C-Y4 Every claim with an empty journal is an attempt, whatever became of the one before.
pub(super) async fn a_claim_with_an_empty_journal_is_an_attempt(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    assert_eq!((first.attempt, first.is_fresh, first.deliveries), (1, true, 0));
    let second = s.take_one(at(10)).await?;
    assert_eq!((second.attempt, second.is_fresh, second.deliveries), (2, true, 0), "a worker that died used one up");
    s.end(at(11), retried(second.claim, at(11))).await?;
    let third = s.take_one(at(11)).await?;
    assert_eq!((third.attempt, third.is_fresh), (3, true));
    assert_eq!(s.look(third.claim.task).await?.attempt, 3);
    Ok(())
}

/// C-Y4 A replay of a non-empty journal is no attempt; `deliveries` counts the claims before that ran out without an entry.
pub(super) async fn a_replay_is_no_attempt_and_lost_deliveries_are_counted(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    s.note_down(at(1), turn(first.claim).step(0, 0, "one", "1")).await?;
    let told = |task: &stent_core::claim::ClaimedTask| (task.attempt, task.is_fresh, task.deliveries);

    let second = s.take_one(at(10)).await?;
    assert_eq!(told(&second), (1, false, 0), "the claim before wrote an entry");
    let third = s.take_one(at(20)).await?;
    assert_eq!(told(&third), (1, false, 1), "the claim before ran out and wrote no entry");
    let fourth = s.take_one(at(30)).await?;
    assert_eq!(told(&fourth), (1, false, 2));
    assert_eq!(s.look(fourth.claim.task).await?.deliveries, 2);

    s.note_down(at(31), turn(fourth.claim).step(1, 1, "two", "2")).await?;
    let fifth = s.take_one(at(40)).await?;
    assert_eq!(told(&fifth), (1, false, 0), "an entry begins the count anew");
    Ok(())
}

/// C-Y4 A child is growth like an entry: a function that only calls is not given up.
pub(super) async fn making_a_child_counts_as_growth(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("parent")).await?;
    let making = |turn_number| child(first.claim.task, call(turn_number, "h")).due(at(1_000));
    s.note_down(at(1), turn(first.claim).child(making(0))).await?;
    let second = s.take_one(at(10)).await?;
    assert_eq!(
        (second.attempt, second.is_fresh, second.deliveries),
        (1, false, 0),
        "a journal with a child is not empty"
    );
    s.note_down(at(11), turn(second.claim).child(making(1))).await?;
    let third = s.take_one(at(20)).await?;
    assert_eq!(third.deliveries, 0, "the claim before made a child");
    let fourth = s.take_one(at(30)).await?;
    assert_eq!(fourth.deliveries, 1);
    Ok(())
}

/// C-Y4 Claims that were given up in order end the row of lost deliveries.
pub(super) async fn a_claim_that_did_not_run_out_ends_the_count_of_deliveries(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    s.note_down(at(1), turn(first.claim).step(0, 0, "one", "1")).await?;
    s.take_one(at(10)).await?;
    let third = s.take_one(at(20)).await?;
    assert_eq!(third.deliveries, 1);
    s.rest(at(21), sleeping(third.claim, at(25))).await?;
    assert_eq!(s.take_one(at(25)).await?.deliveries, 0, "C-Y4: `deliveries` is 0 unless the claim before ran out");
    Ok(())
}

/// C-R6 A journal's time begins with the claim that finds it empty and stands in every replay.
pub(super) async fn the_journals_time_begins_with_its_first_turn(s: Fixture) -> Checked {
    let first = s.start(at(1), execution("f")).await?;
    assert_eq!((first.started_at, first.journal_started_at), (at(1), at(1)));
    let second = s.take_one(at(20)).await?;
    assert_eq!(
        (second.started_at, second.journal_started_at),
        (at(1), at(20)),
        "an empty journal begins with this claim"
    );
    s.note_down(at(21), turn(second.claim).step(0, 0, "one", "1")).await?;
    let third = s.take_one(at(40)).await?;
    assert_eq!((third.started_at, third.journal_started_at), (at(1), at(20)), "a replay sees the first turn's time");
    s.end(at(41), retried(third.claim, at(50))).await?;
    let fourth = s.take_one(at(50)).await?;
    assert_eq!((fourth.started_at, fourth.journal_started_at), (at(1), at(50)), "a new generation has a new beginning");
    assert_eq!((fourth.generation, fourth.is_fresh), (1, true));
    Ok(())
}

/// C-Y3 The next attempt is told why the one before failed.
pub(super) async fn the_next_attempt_is_told_of_the_last_failure(s: Fixture) -> Checked {
    let first = s.start(at(0), execution("f")).await?;
    assert_eq!(first.last_failure, None);
    s.end(at(1), retried(first.claim, at(2))).await?;
    assert_eq!(s.take_one(at(2)).await?.last_failure, Some(failure("Timeout")));
    Ok(())
}
