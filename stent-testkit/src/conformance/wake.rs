//! Waking: a suspended task becomes pending in the transaction of the event that it waits for, and of no other.

use stent_core::commit::{Commit, Sent};
use stent_core::operation::OperationId;
use stent_core::task::{Suspension, TaskState, Wait};

use super::acts::Acts;
use super::builders::{
    RequestWith, TICK, TurnWith, at, call, completed, execution, failed, has, items, payload, released, released_until,
    request, retried, send, sleeping, turn, waiting,
};
use super::scenes::{Scenes, only, range, settled_range, slot};
use super::store::{Checked, Fixture};

/// C-Q5 C-Y6 The end of a call's child, well or ill, wakes its suspended parent, named in the suspension or not.
pub(super) async fn the_end_of_a_calls_child_wakes_its_parent(s: Fixture) -> Checked {
    for (round, (ill, named)) in (0..).zip([(false, true), (true, true), (false, false), (true, false)]) {
        let now = at(round * 10);
        let family = s.family(now, &["g", "h"]).await?;
        let waits = if named { vec![Wait::Child(family.children[0])] } else { Vec::new() };
        s.rest(now, waiting(family.parent, waits)).await?;
        assert!(s.take(now, only("parent")).await?.is_empty());
        let child = s.take_of(now, "g").await?.claim;
        assert_eq!(s.state(family.parent.task).await?, TaskState::Suspended, "C-Q4: a claim ends no wait");
        s.end(now, if ill { failed(child, "Boom") } else { completed(child, "out") }).await?;
        assert_eq!(s.state(family.parent.task).await?, TaskState::Pending, "C-Q5: ill {ill}, named {named}");
        let woken = s.take_of(now, "parent").await?;
        assert_eq!((woken.claim.task, woken.is_fresh), (family.parent.task, false));
        s.end(now, completed(woken.claim, "out")).await?;
    }
    Ok(())
}

/// C-Q5 Children that end in one batch wake their parents, one with all of its own, each once.
pub(super) async fn children_that_end_in_one_batch_wake_their_parents(s: Fixture) -> Checked {
    let [calls, items] = [s.family(at(0), &["g", "h"]).await?, s.mapping(at(0), 3).await?];
    s.rest(at(0), waiting(calls.parent, Vec::new())).await?;
    s.rest(at(0), waiting(items.parent, vec![range(&items.operations[0], 0..3)])).await?;
    let running = s.take(at(1), request().functions(["g", "h", "item"].map(has))).await?;
    let ends: Vec<_> = running.iter().map(|task| completed(task.claim, "out")).collect();
    assert_eq!(s.complete(at(2), &ends).await?, [Commit::Applied; 5]);
    assert_eq!(s.states(&[calls.parent.task, items.parent.task]).await?, [TaskState::Pending; 2], "C-Q5");
    Ok(())
}

/// C-Q4 A child that is retried or released has not ended, and wakes nobody.
pub(super) async fn a_retry_of_a_child_wakes_nobody(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    s.rest(at(0), waiting(family.parent, Vec::new())).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(1), retried(child, at(1))).await?;
    let child = s.take_of(at(2), "g").await?.claim;
    s.end(at(2), released(child)).await?;
    let child = s.take_of(at(3), "g").await?.claim;
    s.rest(at(3), sleeping(child, at(4))).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Suspended);
    Ok(())
}

/// C-Q4 A repeated end of a child does not wake the parent again, which has gone back to waiting.
pub(super) async fn a_repeated_end_wakes_nobody(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    s.rest(at(0), waiting(family.parent, Vec::new())).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    s.end(at(1), completed(child, "out")).await?;
    let parent = s.take_of(at(2), "parent").await?.claim;
    s.rest(at(2), waiting(parent, Vec::new())).await?;
    assert_eq!(s.finish(at(3), completed(child, "out")).await?, Commit::Applied);
    assert_eq!(s.state(parent.task).await?, TaskState::Suspended, "C-Q2: a repeat acts once");
    Ok(())
}

/// C-Q4 An end below a child concerns that child alone, and not whoever waits further up.
pub(super) async fn the_end_of_a_grandchild_wakes_its_own_parent_alone(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let middle = s.take_of(at(1), "g").await?.claim;
    s.call_all(at(1), middle, &[call(0, "h")]).await?;
    s.rest(at(2), waiting(family.parent, Vec::new())).await?;
    s.rest(at(2), waiting(middle, Vec::new())).await?;
    let leaf = s.take_of(at(3), "h").await?.claim;
    s.end(at(4), completed(leaf, "out")).await?;
    let states = s.states(&[family.parent.task, middle.task]).await?;
    assert_eq!(states, [TaskState::Suspended, TaskState::Pending], "C-Q4");
    Ok(())
}

/// C-Q4 A parent that is running, waits for a retry or is pending already is left as it is by its child's end.
pub(super) async fn a_parent_that_is_not_suspended_is_left_alone(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h", "f"]).await?;
    let [g, h, f] = [s.take_of(at(1), "g").await?, s.take_of(at(1), "h").await?, s.take_of(at(1), "f").await?];
    let running = s.look(family.parent.task).await?;
    s.end(at(2), completed(g.claim, "out")).await?;
    assert_eq!(s.look(family.parent.task).await?, running, "C-Q4: a resident parent is untouched");
    s.end(at(3), released_until(family.parent, Some(at(9)), None)).await?;
    s.end(at(4), completed(h.claim, "out")).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Scheduled, "C-Q4: it is put off, not suspended");
    let again = s.take_of(at(9), "parent").await?.claim;
    s.end(at(9), released(again)).await?;
    s.end(at(10), completed(f.claim, "out")).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Pending);
    Ok(())
}

/// C-Q4 C-M5 The end of the last open item of an awaited range wakes, that of any other item does not.
pub(super) async fn a_range_wakes_when_its_last_item_ends(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 5).await?;
    let items = s.take_items(at(1)).await?;
    s.rest(at(1), waiting(family.parent, vec![range(&family.operations[0], 1..4)])).await?;
    for item in [4, 1, 0, 3] {
        s.end(at(2), completed(items[item], "out")).await?;
        assert_eq!(s.state(family.parent.task).await?, TaskState::Suspended, "C-Q4: item 2 is open");
    }
    s.end(at(3), completed(items[2], "out")).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Pending, "C-Q5: the range is closed");
    Ok(())
}

/// C-M3 C-Q4 The first failure in an awaited range wakes; one outside of it does not, and of a settled range none does.
pub(super) async fn a_failed_item_wakes_unless_the_range_is_settled(s: Fixture) -> Checked {
    for (round, settled) in (0..).zip([false, true]) {
        let now = at(round * 10);
        let family = s.mapping(now, 4).await?;
        let items = s.take_items(now).await?;
        let map = &family.operations[0];
        let wait = if settled { settled_range(map, 0..3) } else { range(map, 0..3) };
        s.rest(now, waiting(family.parent, vec![wait])).await?;
        s.end(now, failed(items[3], "Boom")).await?;
        assert_eq!(s.state(family.parent.task).await?, TaskState::Suspended, "C-M3: outside of the range");
        s.end(now, failed(items[1], "Boom")).await?;
        let expected = if settled { TaskState::Suspended } else { TaskState::Pending };
        assert_eq!(s.state(family.parent.task).await?, expected, "C-M3: settled {settled}");
        s.end(now, failed(items[0], "Boom")).await?;
        s.end(now, completed(items[2], "out")).await?;
        assert_eq!(s.state(family.parent.task).await?, TaskState::Pending, "C-Q5: the range is closed");
    }
    Ok(())
}

/// C-M5 Of two awaited ranges the one that closes first wakes; one of another map, or of none, does not.
pub(super) async fn the_first_of_two_ranges_to_close_wakes(s: Fixture) -> Checked {
    let family = s.mapping(at(0), 4).await?;
    let taken = s.take_items(at(1)).await?;
    let awaited = &family.operations[0];
    let other = OperationId { number: 1, ..awaited.clone() };
    let others = items(family.parent.task, &other, 0..2);
    s.note_down(at(1), turn(family.parent).children(others)).await?;
    let others = s.take_items(at(1)).await?;
    s.rest(at(2), waiting(family.parent, vec![range(awaited, 0..2), range(awaited, 2..4)])).await?;
    for item in others {
        s.end(at(3), completed(item, "out")).await?;
    }
    s.end(at(3), completed(taken[0], "out")).await?;
    s.end(at(3), completed(taken[3], "out")).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Suspended);
    s.end(at(4), completed(taken[2], "out")).await?;
    assert_eq!(s.state(family.parent.task).await?, TaskState::Pending, "C-M5: the second range is closed");
    Ok(())
}

/// C-Q5 C-S1 A send to an awaited slot wakes; one to another name or another execution does not.
pub(super) async fn a_send_wakes_those_who_wait_for_its_name(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let other = s.start(at(0), execution("g")).await?;
    for waiter in [&task, &other] {
        s.rest(at(1), waiting(waiter.claim, vec![slot("a")])).await?;
    }
    let stored = Sent::Stored { overwrote: false };
    assert_eq!(s.send(at(2), &send(task.execution, "b", "x")).await?, stored);
    assert_eq!(s.state(task.claim.task).await?, TaskState::Suspended, "C-Q4: it waits for another name");
    assert_eq!(s.send(at(3), &send(task.execution, "a", "x")).await?, stored);
    assert_eq!(s.state(task.claim.task).await?, TaskState::Pending, "C-Q5");
    assert_eq!(s.state(other.claim.task).await?, TaskState::Suspended, "C-S1: of another execution");
    Ok(())
}

/// C-S2 C-Q5 Every task of an execution that waits for a name is woken by a send to it.
pub(super) async fn a_send_wakes_every_waiter_of_the_execution(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g", "h"]).await?;
    let [g, h] = [s.take_of(at(1), "g").await?.claim, s.take_of(at(1), "h").await?.claim];
    s.rest(at(2), waiting(family.parent, vec![slot("a")])).await?;
    s.rest(at(2), waiting(g, vec![slot("b"), slot("a")])).await?;
    s.rest(at(2), waiting(h, vec![slot("b")])).await?;
    let _ = s.send(at(3), &send(family.execution, "a", "x")).await?;
    let states = s.states(&[family.parent.task, g.task, h.task]).await?;
    assert_eq!(states, [TaskState::Pending, TaskState::Pending, TaskState::Suspended], "C-Q5");
    Ok(())
}

/// C-S2 A wait counts for the suspension that names it alone: a name that was dropped since wakes nobody.
pub(super) async fn a_wait_that_was_dropped_wakes_nobody(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.rest(at(0), waiting(task.claim, vec![slot("a"), slot("b")])).await?;
    let _ = s.send(at(1), &send(task.execution, "a", "x")).await?;
    let woken = s.take_one(at(2)).await?.claim;
    assert_eq!(s.take_signal(at(2), woken, 0, "a").await?, Some(payload("x")));
    s.rest(at(3), waiting(woken, vec![slot("a")])).await?;
    let _ = s.send(at(4), &send(task.execution, "b", "x")).await?;
    assert_eq!(s.state(woken.task).await?, TaskState::Suspended, "C-S2: nobody waits for `b` any more");
    let _ = s.send(at(5), &send(task.execution, "a", "y")).await?;
    assert_eq!(s.state(woken.task).await?, TaskState::Pending);
    Ok(())
}

/// C-Q4 C-Q1 A claim wakes whose timer has come, at its very time and not before.
pub(super) async fn a_timer_wakes_when_it_is_due(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(task.claim, at(100))).await?;
    let early = s.claim(at(100).before(TICK), &request()).await?;
    assert!(early.tasks.is_empty(), "C-Q1: one microsecond early");
    assert_eq!(early.next_due, Some(at(100)));
    assert_eq!(s.look(task.claim.task).await?.due, Some(at(100)));
    let woken = s.take_one(at(100)).await?;
    assert_eq!((woken.claim.task, woken.started_at), (task.claim.task, at(0)));
    Ok(())
}

/// C-Q4 A task that waits for several things wakes by whichever comes first, and then its timer is off.
pub(super) async fn whatever_comes_first_wakes(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let all = |claim| Suspension { claim, until: Some(at(50)), waits: vec![slot("a"), slot("b")] };
    s.rest(at(1), all(family.parent)).await?;
    let _ = s.send(at(2), &send(family.execution, "b", "x")).await?;
    let parent = s.take_of(at(3), "parent").await?.claim;
    s.take_signal(at(3), parent, 0, "b").await?;
    s.rest(at(4), all(parent)).await?;
    let child = s.take_of(at(5), "g").await?.claim;
    s.end(at(5), completed(child, "out")).await?;
    let parent = s.take_of(at(6), "parent").await?.claim;
    s.rest(at(7), waiting(parent, vec![slot("a")])).await?;
    assert!(s.take_all(at(60)).await?.is_empty(), "C-Q4: the timer of an earlier suspension is off");
    Ok(())
}
