//! Suspension: a task leaves memory unless a wait of it is over, and no event is lost in between.

use stent_core::claim::Claim;
use stent_core::commit::{Commit, Suspended};
use stent_core::execution::ExecutionState;
use stent_core::task::{Suspension, TaskEnd, TaskState, Wait};

use super::acts::{Acts, one};
use super::builders::{
    TICK, TaskWith, at, completed, execution, failed, payload, released, retried, secs, send, sleeping, waiting,
};
use super::scenes::{Loss, Scenes, at_once, only, range, rank, settled_range, slot};
use super::store::{Checked, Fixture, Trouble};

/// Demands that this suspension is refused because a wait of it is over, and that nothing of it was written.
async fn stays_awake(s: &Fixture, suspension: Suspension) -> Checked {
    let task = suspension.claim.task;
    let before = s.look(task).await?;
    assert_eq!(before.state, TaskState::Running);
    let answer = s.doze(at(9), suspension.clone()).await?;
    assert_eq!(answer, Suspended::Awake, "C-Q5: {suspension:?}");
    assert_eq!(s.look(task).await?, before, "C-Q5: nothing was written, the claim stands");
    Ok(())
}

/// C-Q4 A suspended task has given its claim up, and is shown so.
pub(super) async fn a_suspended_task_has_given_its_claim_up(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    assert_eq!(s.doze(at(1), waiting(task.claim, vec![slot("a")])).await?, Suspended::Yes);
    let record = s.look(task.claim.task).await?;
    assert_eq!((record.state, record.worker, record.lease_until), (TaskState::Suspended, None, None), "C-Q4");
    assert_eq!(s.shown(task.execution).await?, ExecutionState::Suspended);
    assert_eq!(s.finish(at(2), completed(task.claim, "late")).await?, Commit::ClaimLost, "C-Q2");
    assert!(s.take_all(at(1_000)).await?.is_empty(), "C-Q4: no lease of it runs out");
    Ok(())
}

/// C-Q2 A repeat of a suspension is `Yes` while the task is suspended by it, and no longer.
pub(super) async fn a_repeated_suspension_is_yes_while_it_lasts(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let nap = Suspension { claim: task.claim, until: Some(at(50)), waits: vec![slot("a")] };
    assert_eq!(s.doze(at(1), nap.clone()).await?, Suspended::Yes);
    assert_eq!(s.another().await?.doze(at(2), nap.clone()).await?, Suspended::Yes, "C-Q2: a repeat");
    let _ = s.send(at(3), &send(task.execution, "a", "x")).await?;
    assert_eq!(s.doze(at(4), nap.clone()).await?, Suspended::ClaimLost, "C-Q2: it was woken since");
    assert_eq!(s.state(task.claim.task).await?, TaskState::Pending);
    let woken = s.take_one(at(5)).await?.claim;
    assert_eq!(s.doze(at(6), nap.clone()).await?, Suspended::ClaimLost, "C-Q2: it was claimed since");
    s.rest(at(7), sleeping(woken, at(50))).await?;
    assert_eq!(s.doze(at(8), nap).await?, Suspended::ClaimLost, "C-Q2: it is suspended by another claim");
    Ok(())
}

/// C-Q2 A suspension under a claim that was lost writes nothing.
pub(super) async fn a_lost_claim_suspends_nothing(s: Fixture) -> Checked {
    for (round, loss) in (0..).zip(Loss::ALL.into_iter().filter(|loss| *loss != Loss::Suspended)) {
        let now = at(round * 1_000);
        let task = s.lost(now, loss).await?;
        let record = s.look(task.claim.task).await?;
        let answer = s.doze(now.after(secs(1)), sleeping(task.claim, now.after(secs(500)))).await?;
        assert_eq!(answer, Suspended::ClaimLost, "C-Q2: {loss:?}");
        assert_eq!(s.look(task.claim.task).await?, record, "C-Q2: {loss:?}");
    }
    Ok(())
}

/// C-Q2 A task that was released, waits for a retry or has ended is not suspended by the claim that did so.
pub(super) async fn a_claim_that_was_given_up_suspends_nothing(s: Fixture) -> Checked {
    let ends: [fn(Claim) -> TaskEnd; 4] =
        [released, |claim| retried(claim, at(5)), |claim| completed(claim, "out"), |claim| failed(claim, "Boom")];
    for (round, end) in (0..).zip(ends) {
        let task = s.start(at(0), execution("f").priority(round)).await?.claim;
        s.end(at(1), end(task)).await?;
        let record = s.look(task.task).await?;
        assert_eq!(s.doze(at(2), sleeping(task, at(50))).await?, Suspended::ClaimLost, "C-Q2");
        assert_eq!(s.look(task.task).await?, record);
    }
    Ok(())
}

/// C-Q5 A child that ended before its parent suspends keeps it awake.
pub(super) async fn a_child_that_has_ended_keeps_its_parent_awake(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let [g, h] = [s.take_of(at(1), "g").await?.claim, s.take_of(at(1), "h").await?.claim];
    s.end(at(2), completed(g, "out")).await?;
    s.end(at(3), failed(h, "Boom")).await?;
    for child in family.children {
        stays_awake(&s, waiting(family.parent, vec![slot("a"), Wait::Child(child)])).await?;
    }
    Ok(())
}

/// C-Q4 A child whose end was given already, and is waited for no more, keeps nobody awake.
pub(super) async fn a_child_that_is_awaited_no_more_keeps_nobody_awake(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(2), completed(child, "out")).await?;
    let answer = s.doze(at(3), waiting(family.parent, vec![Wait::Child(family.children[1])])).await?;
    assert_eq!(answer, Suspended::Yes, "C-Q4");
    Ok(())
}

/// C-Q5 C-M5 A range without an open item keeps awake; items outside of it, open or ended, do not matter.
pub(super) async fn a_closed_range_keeps_awake(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let map = &family.operations[0];
    let items = s.take_items(at(1)).await?;
    s.end(at(1), completed(items[0], "out")).await?;
    s.end(at(1), completed(items[2], "out")).await?;
    for wait in [range(map, 2..3), settled_range(map, 0..1)] {
        stays_awake(&s, waiting(family.parent, vec![range(map, 3..4), wait])).await?;
    }
    assert_eq!(s.doze(at(9), waiting(family.parent, vec![range(map, 0..2)])).await?, Suspended::Yes, "C-Q4");
    Ok(())
}

/// C-Q5 C-M3 A failed item keeps awake who waits for its range, unless the range is settled and another item open.
pub(super) async fn a_failed_item_keeps_awake_unless_the_range_is_settled(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 3).await?;
    let map = &family.operations[0];
    let items = s.take_items(at(1)).await?;
    s.end(at(1), failed(items[1], "Boom")).await?;
    stays_awake(&s, waiting(family.parent, vec![range(map, 0..3)])).await?;
    stays_awake(&s, waiting(family.parent, vec![settled_range(map, 1..2)])).await?;
    let settled = waiting(family.parent, vec![settled_range(map, 0..3), range(map, 2..3)]);
    assert_eq!(s.doze(at(9), settled).await?, Suspended::Yes, "C-M3: no failure ends a settled range");
    Ok(())
}

/// C-Q5 C-S2 A value in an awaited slot keeps awake; one in another slot, or one that was taken, does not.
pub(super) async fn a_value_in_the_slot_keeps_awake(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let _ = s.send(at(1), &send(task.execution, "a", "")).await?;
    stays_awake(&s, waiting(task.claim, vec![slot("b"), slot("a")])).await?;
    assert_eq!(s.take_signal(at(2), task.claim, 0, "a").await?, Some(payload("")));
    let _ = s.send(at(3), &send(task.execution, "c", "x")).await?;
    let answer = s.doze(at(9), waiting(task.claim, vec![slot("b"), slot("a")])).await?;
    assert_eq!(answer, Suspended::Yes, "C-S2: the value was taken");
    Ok(())
}

/// C-Q5 A timer that has come, also at this very time, keeps awake; one that has a microsecond to go does not.
pub(super) async fn a_timer_that_has_come_keeps_awake(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    for until in [at(0), at(9)] {
        stays_awake(&s, sleeping(task, until)).await?;
    }
    assert_eq!(s.doze(at(9), sleeping(task, at(9).after(TICK))).await?, Suspended::Yes);
    Ok(())
}

/// C-Q2 A batch of suspensions is answered one by one.
pub(super) async fn suspensions_are_answered_in_order_each_for_itself(s: Fixture) -> Checked {
    let lost = s.lost(at(0), Loss::Cancelled).await?.claim;
    let [one, other] = [s.start(at(1), execution("f")).await?.claim, s.start(at(1), execution("g")).await?.claim];
    let naps = [sleeping(one, at(50)), sleeping(lost, at(50)), sleeping(other, at(2))];
    let answers = s.suspend(at(3), &naps).await?;
    assert_eq!(answers, [Suspended::Yes, Suspended::ClaimLost, Suspended::Awake], "C-Q2");
    assert_eq!(s.states(&[one.task, other.task]).await?, [TaskState::Suspended, TaskState::Running]);
    assert_eq!(s.suspend(at(3), &[]).await?, []);
    Ok(())
}

/// What is true after a suspension and an event that ends its wait have met, in whatever order: nobody sleeps through it.
async fn woken(s: &Fixture, task: Claim, answer: Suspended, round: u32) -> Checked {
    let state = s.state(task.task).await?;
    match answer {
        Suspended::Yes => assert_eq!(state, TaskState::Pending, "C-Q5: round {round}: suspended, and never woken"),
        Suspended::Awake => assert_eq!(state, TaskState::Running, "C-Q5: round {round}"),
        Suspended::ClaimLost => panic!("C-Q5: round {round}: nobody took the claim"),
    }
    Ok(())
}

/// C-Q5 No end of a child is lost that meets its parent's suspension.
pub(super) async fn an_end_and_a_suspension_at_once_lose_no_wake_up(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..50 {
        let family = s.family(at(u64::from(round)), &["g"]).await?;
        let child = s.take_of(at(u64::from(round)), "g").await?.claim;
        let nap = waiting(family.parent, vec![Wait::Child(child.task)]);
        let (a, b) = (here.clone(), there.clone());
        let now = at(u64::from(round));
        let (answer, end) =
            at_once(async move { a.doze(now, nap).await }, async move { b.finish(now, completed(child, "out")).await })
                .await?;
        assert_eq!(end, Commit::Applied);
        woken(&s, family.parent, answer, round).await?;
        let _ = s.cancel(now, family.execution).await?;
    }
    Ok(())
}

/// C-Q5 No send is lost that meets the suspension of a task that waits for it.
pub(super) async fn a_send_and_a_suspension_at_once_lose_no_wake_up(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..50 {
        let now = at(u64::from(round));
        let task = s.start(now, execution("f").priority(rank(now))).await?;
        let signal = send(task.execution, "a", "x");
        let nap = waiting(task.claim, vec![slot("a")]);
        let (a, b) = (here.clone(), there.clone());
        let (answer, _) =
            at_once(
                async move { a.doze(now, nap).await },
                async move { b.send(now, &signal).await.map_err(Trouble::from) },
            )
            .await?;
        woken(&s, task.claim, answer, round).await?;
        let _ = s.cancel(now, task.execution).await?;
    }
    Ok(())
}

/// C-Q5 The two last items of a range that end at once wake the parent, whichever was the last.
pub(super) async fn the_last_items_ending_at_once_lose_no_wake_up(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..50 {
        let now = at(u64::from(round));
        let family = s.mapping(now, 2).await?;
        let items = s.take_items(now).await?;
        s.rest(now, waiting(family.parent, vec![range(&family.operations[0], 0..2)])).await?;
        let (a, b) = (here.clone(), there.clone());
        let ends = [completed(items[0], "0"), completed(items[1], "1")];
        let [first, second] = ends;
        let answers =
            at_once(async move { a.finish(now, first).await }, async move { b.finish(now, second).await }).await?;
        assert_eq!(answers, (Commit::Applied, Commit::Applied));
        woken(&s, family.parent, Suspended::Yes, round).await?;
        let _ = s.cancel(now, family.execution).await?;
    }
    Ok(())
}

/// C-Q5 Parents and children that suspend and end in batches of several processes at once lose no wake-up.
pub(super) async fn batches_of_ends_and_suspensions_at_once_lose_no_wake_up(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..10 {
        let now = at(round * 5);
        let mut families = Vec::new();
        for _ in 0..10 {
            families.push(s.family(now, &["g"]).await?);
        }
        let children = s.take(now, only("g")).await?;
        let naps: Vec<_> =
            families.iter().map(|family| waiting(family.parent, vec![Wait::Child(family.children[0])])).collect();
        let ends: Vec<_> = children.iter().rev().map(|child| completed(child.claim, "out")).collect();
        let (a, b) = (here.clone(), there.clone());
        let (answers, ends) = at_once(async move { a.suspend(now, &naps).await.map_err(Trouble::from) }, async move {
            b.complete(now, &ends).await.map_err(Trouble::from)
        })
        .await?;
        assert_eq!(ends, [Commit::Applied; 10]);
        for (family, answer) in families.iter().zip(answers) {
            woken(&s, family.parent, answer, 0).await?;
            let _ = s.cancel(now, family.execution).await?;
        }
    }
    Ok(())
}

/// C-Q5 A cancel that meets a suspension leaves the task cancelled.
pub(super) async fn a_cancel_and_a_suspension_at_once_leave_it_cancelled(s: Fixture) -> Checked {
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let task = s.start(at(0), execution("f").priority(round)).await?;
        let (a, b) = (here.clone(), there.clone());
        let nap = sleeping(task.claim, at(100));
        let _ = at_once(async move { one(a.suspend(at(1), &[nap]).await?) }, async move {
            b.cancel(at(1), task.execution).await.map_err(Trouble::from)
        })
        .await?;
        assert_eq!(s.state(task.claim.task).await?, TaskState::Cancelled, "C-X1");
    }
    Ok(())
}
