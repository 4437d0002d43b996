//! Births under a claim: tasks that a worker begins as they are made.

use stent_core::claim::{Claim, ClaimRequest, FirstClaim};
use stent_core::commit::{Commit, Dispatched, TurnCommit};
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_core::{ClaimToken, TaskId};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, LEASE, RequestWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, executions_of,
    first_claim, ids_of, items, map, payload, released, request, turn,
};
use super::scenes::Scenes;
use super::store::{Checked, Fixture};

/// The claim of a task that was born under this one.
fn of(task: TaskId, first: FirstClaim) -> Claim {
    Claim { task, token: first.token }
}

/// The request that this claim might have been the answer to.
fn asked_by(first: FirstClaim) -> ClaimRequest {
    ClaimRequest { token: first.token, ..request().worker(first.worker) }
}

/// C-Q2 C-Y4 It is running in its first attempt, its lease and its journal begin with it, and it is nobody else's before the lease ends.
pub(super) async fn a_root_is_born_under_a_claim(s: Fixture) -> Checked {
    let first = first_claim();
    let new = execution("f").queue("mail").input("in").claimed(first);
    s.create(at(1), new.clone()).await?;
    assert_eq!(s.shown(new.id).await?, ExecutionState::Running);
    let born = s.look(new.id.root()).await?;
    assert_eq!((born.state, born.worker, born.attempt), (TaskState::Running, Some(first.worker), 1));
    assert_eq!((born.started_at, born.lease_until), (Some(at(1)), Some(at(1).after(LEASE))));
    assert!(s.take_all(at(1).after(LEASE).before(TICK)).await?.is_empty(), "it is claimed already");

    let [task] = &s.take(at(2), asked_by(first)).await?[..] else { panic!("its token gives it, and no other") };
    assert_eq!((task.claim, task.execution), (of(new.id.root(), first), new.id));
    assert_eq!((task.attempt, task.deliveries, task.is_fresh), (1, 0, true));
    assert_eq!((task.journal_started_at, task.started_at), (at(1), at(1)), "the journal begins with the birth");
    assert_eq!((&task.input, &task.queue), (&new.task.input, &new.task.queue));

    s.end(at(3), completed(task.claim, "done")).await?;
    assert_eq!(s.shown(new.id).await?, ExecutionState::Completed);
    Ok(())
}

/// C-Q2 C-Y4 When its lease has ended it is free like any other, and that is its second attempt.
pub(super) async fn what_is_born_under_a_claim_is_taken_over_like_any_other(s: Fixture) -> Checked {
    let first = first_claim();
    let new = execution("f").claimed(first);
    s.create(at(0), new.clone()).await?;
    let over = s.take_one(at(10)).await?;
    assert_eq!((over.claim.task, over.attempt), (new.id.root(), 2));
    assert_eq!(s.finish(at(11), completed(of(new.id.root(), first), "late")).await?, Commit::ClaimLost);
    s.end(at(11), completed(over.claim, "done")).await?;
    Ok(())
}

/// C-Y4 A release gives the attempt back.
pub(super) async fn what_is_born_under_a_claim_may_be_released(s: Fixture) -> Checked {
    let first = first_claim();
    let new = execution("f").claimed(first);
    s.create(at(0), new.clone()).await?;
    s.end(at(1), released(of(new.id.root(), first))).await?;
    let again = s.take_one(at(2)).await?;
    assert_eq!((again.claim.task, again.attempt), (new.id.root(), 1));
    Ok(())
}

/// C-Q2 C-K3 What is there already is not claimed: neither by a repeat nor by its dedup key.
pub(super) async fn what_was_there_before_is_not_born_again(s: Fixture) -> Checked {
    let known = execution("f").dedup("key");
    s.create(at(0), known.clone()).await?;
    let (again, same) = (known.clone().claimed(first_claim()), execution("f").dedup("key").claimed(first_claim()));
    let answers = s.dispatch(at(1), &[again, same]).await?;
    assert_eq!(answers, [Dispatched::Created, Dispatched::Existing(known.id)]);
    let left = s.look(known.id.root()).await?;
    assert_eq!((left.state, left.attempt, left.worker), (TaskState::Pending, 0, None));
    assert_eq!(executions_of(&s.take_all(at(1)).await?), [known.id]);
    Ok(())
}

/// C-Q2 Some of a batch are born under claims, each under its own; the others are free.
pub(super) async fn a_batch_may_hold_both(s: Fixture) -> Checked {
    let (one, other) = (first_claim(), first_claim());
    let batch = [execution("f").claimed(one), execution("f"), execution("g").claimed(other), execution("g").born("r")];
    s.create_all(at(0), &batch).await?;
    assert_eq!(executions_of(&s.take_all(at(0)).await?), [batch[1].id]);
    assert_eq!(executions_of(&s.take(at(0), asked_by(one)).await?), [batch[0].id]);
    assert_eq!(executions_of(&s.take(at(0), asked_by(other)).await?), [batch[2].id]);
    Ok(())
}

/// C-K1 What has a result already is completed and under no claim.
pub(super) async fn a_result_goes_before_a_claim(s: Fixture) -> Checked {
    let first = first_claim();
    let new = execution("f").born("known").claimed(first);
    s.create(at(0), new.clone()).await?;
    assert_eq!(s.shown(new.id).await?, ExecutionState::Completed);
    let root = s.start(at(0), execution("parent")).await?.claim;
    let mut below = child(root.task, call(0, "g")).claimed(first);
    below.born = Some(payload("known"));
    s.note_down(at(1), turn(root).child(below.clone())).await?;
    assert_eq!(s.state(below.id).await?, TaskState::Completed);
    assert!(s.take(at(2), asked_by(first)).await?.is_empty());
    Ok(())
}

/// C-Q2 C-R10 Calls and items of maps are born under claims, too, among others that are not.
pub(super) async fn children_are_born_under_claims(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let (of_call, of_item) = (first_claim(), first_claim());
    let called = child(root.task, call(0, "g")).input("x").claimed(of_call);
    let mut mapped = items(root.task, &map(0, "item"), 0..3);
    mapped[1].task.claim = Some(of_item);
    s.note_down(at(1), turn(root).child(called.clone()).children(mapped.clone())).await?;
    let states = s.states(&[called.id, mapped[0].id, mapped[1].id, mapped[2].id]).await?;
    assert_eq!(states, [TaskState::Running, TaskState::Pending, TaskState::Running, TaskState::Pending]);
    assert_eq!(ids_of(&s.take_all(at(1)).await?), [mapped[0].id, mapped[2].id]);
    let [task] = &s.take(at(2), asked_by(of_call)).await?[..] else { panic!("its token gives it, and no other") };
    assert_eq!((task.claim, task.parent, task.depth), (of(called.id, of_call), Some(root.task), 1));
    assert_eq!((task.attempt, task.is_fresh, task.journal_started_at), (1, true, at(1)));
    s.end(at(3), completed(task.claim, "done")).await?;
    s.end(at(3), completed(of(mapped[1].id, of_item), "done")).await?;
    Ok(())
}

/// C-Q2 A turn whose claim is lost makes none; a repeated one makes none again.
pub(super) async fn children_are_born_once_and_under_their_parents_claim(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?.claim;
    let stale = Claim { token: ClaimToken::random(), ..root };
    let first = first_claim();
    let new = child(root.task, call(0, "g")).claimed(first);
    assert_eq!(s.write(at(1), &[turn(stale).child(new.clone())]).await?, [TurnCommit::ClaimLost]);
    assert!(s.take(at(1), asked_by(first)).await?.is_empty(), "the turn was not written");
    let write = turn(root).child(new.clone());
    s.note_down(at(1), write.clone()).await?;
    s.end(at(2), completed(of(new.id, first), "done")).await?;
    s.note_down(at(3), write).await?;
    assert_eq!(s.state(new.id).await?, TaskState::Completed, "a repeat leaves it as it is");
    Ok(())
}
