//! Signals: one slot a name, latest value wins, taken once and only to be given.

use stent_core::commit::{Cancelled, Sent, TurnCommit};
use stent_core::execution::ExecutionState;
use stent_core::journal::{EntryBody, Made};
use stent_core::outcome::OperationOutcome;
use stent_core::signal::SignalSend;
use stent_core::{ExecutionId, Payload, SignalId};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, LEASE, TICK, TaskWith, TurnWith, at, call, child, completed, execution, failed, next_execution_id,
    payload, secs, send, signal_name, signal_wait, sleeping, step, turn, waiting,
};
use super::scenes::{Scenes, WRITTEN, at_once, gave, slot, told, took};
use super::store::{Checked, Fixture, Trouble};

const FIRST: Sent = Sent::Stored { overwrote: false };
const AGAIN: Sent = Sent::Stored { overwrote: true };
const ELAPSED: TurnCommit = TurnCommit::Applied { taken: Some(OperationOutcome::Elapsed) };

fn elapsed(name: &str) -> EntryBody {
    EntryBody::Outcome(signal_wait(0, name), OperationOutcome::Elapsed)
}

/// C-S1 The latest value wins, and the sender learns that it took the place of another.
pub(super) async fn the_latest_value_wins(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    assert_eq!(s.send(at(1), &send(task.execution, "a", "1")).await?, FIRST);
    assert_eq!(s.send(at(2), &send(task.execution, "a", "2")).await?, AGAIN);
    assert_eq!(s.another().await?.send(at(3), &send(task.execution, "a", "3")).await?, AGAIN);
    assert_eq!(s.take_signal(at(4), task.claim, 0, "a").await?, Some(payload("3")), "C-S1");
    assert_eq!(s.take_signal(at(5), task.claim, 1, "a").await?, None, "C-S1: a slot holds one value");
    Ok(())
}

/// C-S1 Of two sends at once one overwrites the other, and its value is the one that is taken.
pub(super) async fn of_two_sends_at_once_one_overwrites_the_other(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let (one, other) = (send(task.execution, "a", "1"), send(task.execution, "a", "2"));
        let (a, b) = (here.clone(), there.clone());
        let answers = at_once(async move { a.send(at(1), &one).await.map_err(Trouble::from) }, async move {
            b.send(at(1), &other).await.map_err(Trouble::from)
        })
        .await?;
        let last = match answers {
            (FIRST, AGAIN) => payload("2"),
            (AGAIN, FIRST) => payload("1"),
            both => panic!("C-S1: one came first, one overwrote it, not {both:?}"),
        };
        assert_eq!(s.take_signal(at(2), task.claim, round, "a").await?, Some(last), "C-S1: the latest wins");
    }
    Ok(())
}

/// C-S1 Slots of other names and of other executions are others.
pub(super) async fn a_value_is_for_one_name_of_one_execution(s: Fixture) -> Checked {
    let [one, other] = [s.start(at(0), execution("f")).await?, s.start(at(0), execution("f")).await?];
    for (execution, name, value) in
        [(one.execution, "a", "1a"), (one.execution, "A", "1A"), (other.execution, "a", "2a")]
    {
        assert_eq!(s.send(at(1), &send(execution, name, value)).await?, FIRST);
    }
    assert_eq!(s.take_signal(at(2), other.claim, 0, "A").await?, None);
    assert_eq!(s.take_signal(at(2), other.claim, 1, "a").await?, Some(payload("2a")));
    assert_eq!(s.take_signal(at(2), one.claim, 0, "A").await?, Some(payload("1A")));
    assert_eq!(s.take_signal(at(2), one.claim, 1, "a").await?, Some(payload("1a")));
    Ok(())
}

/// C-S2 A value is stored whatever its execution does: put off, free, running or suspended.
pub(super) async fn a_value_may_come_before_the_wait(mut s: Fixture) -> Checked {
    let later = s.create(at(0), execution("f").due(at(50))).await?;
    let asleep = s.start(at(0), execution("f").priority(1)).await?;
    s.rest(at(0), sleeping(asleep.claim, at(60))).await?;
    for execution in [later, asleep.execution] {
        assert_eq!(s.send(at(1), &send(execution, "a", "early")).await?, FIRST);
    }
    s.reopen().await?;
    for _ in 0..2 {
        let task = s.take_one(at(100)).await?.claim;
        assert_eq!(s.take_signal(at(100), task, 0, "a").await?, Some(payload("early")), "C-S2");
    }
    Ok(())
}

/// C-S1 A value comes back as it was sent: empty, binary, large.
pub(super) async fn a_value_comes_back_exactly(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let binary: Vec<u8> = (0..=u8::MAX).collect();
    for (seq, value) in (0..).zip([Payload::default(), binary.into(), Payload::from(vec![7; 1 << 20])]) {
        let signal = SignalSend { value: value.clone(), ..send(task.execution, "名前 'x' %", "") };
        assert_eq!(s.send(at(1), &signal).await?, FIRST);
        let taken = s.take_signal(at(2), task.claim, seq, "名前 'x' %").await?;
        assert!(taken == Some(value), "C-S1: exactly what was sent");
    }
    Ok(())
}

/// C-S3 A send that is repeated does nothing, and is answered as it was: before the value is taken, after it, and after another send.
pub(super) async fn a_repeated_send_does_nothing(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let (one, two) = (send(task.execution, "a", "1"), send(task.execution, "a", "2"));
    assert_eq!(s.send(at(1), &one).await?, FIRST);
    assert_eq!(s.send(at(1), &one).await?, FIRST, "C-S3: answered as it was");
    assert_eq!(s.send(at(2), &two).await?, AGAIN);
    assert_eq!(s.another().await?.send(at(3), &one).await?, FIRST);
    assert_eq!(s.take_signal(at(4), task.claim, 0, "a").await?, Some(payload("2")), "C-S3: not put back");
    for (signal, answer) in [(&one, FIRST), (&two, AGAIN)] {
        assert_eq!(s.send(at(5), signal).await?, answer);
    }
    assert_eq!(s.take_signal(at(6), task.claim, 1, "a").await?, None, "C-S3: a taken value does not come back");
    Ok(())
}

/// C-S3 C-Q5 A repeated send wakes nobody.
pub(super) async fn a_repeated_send_wakes_nobody(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let signal = send(task.execution, "a", "1");
    assert_eq!(s.send(at(1), &signal).await?, FIRST);
    s.take_signal(at(2), task.claim, 0, "a").await?;
    s.rest(at(3), waiting(task.claim, vec![slot("a")])).await?;
    assert_eq!(s.send(at(4), &signal).await?, FIRST);
    assert_eq!(s.shown(task.execution).await?, ExecutionState::Suspended, "C-S3");
    Ok(())
}

/// C-S3 An id that was sent is a repeat for another name and for another execution, too: the first send stands.
pub(super) async fn a_sends_id_counts_for_every_slot(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let other = s.start(at(0), execution("f")).await?;
    let first = send(task.execution, "a", "1");
    assert_eq!(s.send(at(1), &send(other.execution, "a", "0")).await?, FIRST);
    assert_eq!(s.send(at(2), &first).await?, FIRST);
    for (execution, name) in [(task.execution, "b"), (other.execution, "a")] {
        let again = SignalSend { id: first.id, ..send(execution, name, "2") };
        assert_eq!(s.send(at(3), &again).await?, FIRST, "C-S3: answered as the first was");
    }
    let nobody = SignalSend { id: first.id, ..send(next_execution_id(), "a", "2") };
    assert_eq!(s.send(at(3), &nobody).await?, Sent::Unknown);
    assert_eq!(s.take_signal(at(4), task.claim, 0, "b").await?, None, "C-S3: it does nothing");
    assert_eq!(s.take_signal(at(4), other.claim, 0, "a").await?, Some(payload("0")), "C-S3: it overwrites nothing");
    assert_eq!(s.take_signal(at(4), task.claim, 1, "a").await?, Some(payload("1")));
    Ok(())
}

/// C-S3 A send to an execution that nobody knows, or that has ended, is answered so.
pub(super) async fn unknown_and_finished_executions_take_no_signal(s: Fixture) -> Checked {
    assert_eq!(s.send(at(0), &send(next_execution_id(), "a", "x")).await?, Sent::Unknown);
    let mut started = Vec::new();
    for priority in 0..3 {
        started.push(s.start(at(0), execution("f").priority(priority)).await?);
    }
    started.push(s.start(at(0), execution("f").priority(3).max_duration(secs(1))).await?);
    let [done, bad, stopped, late] = &started[..] else { panic!("four were started") };
    let repeated = send(done.execution, "a", "x");
    assert_eq!(s.send(at(0), &repeated).await?, FIRST);
    s.end(at(1), completed(done.claim, "out")).await?;
    s.end(at(1), failed(bad.claim, "Boom")).await?;
    assert_eq!(s.cancel(at(1), stopped.execution).await?, Cancelled::Done);
    assert_eq!(s.expire(at(1), 1).await?, [late.execution]);
    let states =
        [ExecutionState::Completed, ExecutionState::Failed, ExecutionState::Cancelled, ExecutionState::TimedOut];
    for (task, state) in started.iter().zip(states) {
        let answer = s.send(at(2), &send(task.execution, "a", "x")).await?;
        assert_eq!(answer, Sent::AlreadyFinal(state), "C-S3");
    }
    assert_eq!(s.send(at(3), &repeated).await?, FIRST, "C-S3: a repeat is answered as it was");
    Ok(())
}

/// C-S2 A taken value is journaled as the outcome of its wait, in its place, at the time that the take bears.
pub(super) async fn a_taken_value_is_journaled_as_the_outcome_of_its_wait(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let wait = signal_wait(0, "a");
    let made = turn(task.claim).made(0, wait.clone(), Made::Signal { until: None }).step(1, 0, "s", "x");
    s.note_down(at(1), made).await?;
    let _ = s.send(at(2), &send(task.execution, "a", "value")).await?;
    let mut write = turn(task.claim).note(2, 1, "before").take(3, 1, wait.clone());
    if let Some(take) = &mut write.take {
        take.at = at(2).after(TICK);
    }
    assert_eq!(s.write_one(at(3), write).await?, took("value"));
    let journal = s.journal(task.claim.task).await?;
    let expected = [
        (0, EntryBody::Made(wait.clone(), Made::Signal { until: None })),
        (0, gave(step(0, "s"), "x")),
        (1, EntryBody::Note("before".into())),
        (1, gave(wait, "value")),
    ];
    assert_eq!(told(&journal), expected, "C-S2");
    assert_eq!((journal.entries[3].seq, journal.entries[3].at), (3, at(2).after(TICK)), "C-S2: as the take says");
    Ok(())
}

/// C-S2 C-Q2 A take that is repeated is answered with the same value; what was sent since stays for the next.
pub(super) async fn a_repeated_take_answers_with_the_same_value(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let _ = s.send(at(1), &send(task.execution, "a", "1")).await?;
    let write = turn(task.claim).take(0, 0, signal_wait(0, "a"));
    assert_eq!(s.write_one(at(2), write.clone()).await?, took("1"));
    assert_eq!(s.send(at(3), &send(task.execution, "a", "2")).await?, FIRST, "C-S1: the slot was empty");
    assert_eq!(s.another().await?.write_one(at(4), write).await?, took("1"), "C-Q2: the same value");
    assert_eq!(s.journal(task.claim.task).await?.entries.len(), 1);
    assert_eq!(s.take_signal(at(5), task.claim, 1, "a").await?, Some(payload("2")), "C-S2: it stays for the next");
    Ok(())
}

/// C-S2 A take from an empty slot takes nothing, and the rest of its turn is written.
pub(super) async fn a_take_from_an_empty_slot_writes_the_rest(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("parent")).await?;
    let made = child(task.claim.task, call(0, "g"));
    let write = turn(task.claim).note(0, 0, "n").child(made.clone()).take(1, 0, signal_wait(0, "a"));
    assert_eq!(s.write_one(at(1), write.clone()).await?, WRITTEN, "C-S2: nothing to take");
    let journal = s.journal(task.claim.task).await?;
    assert_eq!((told(&journal).len(), journal.children.len()), (1, 1), "C-S2: the rest is applied");
    let _ = s.send(at(2), &send(task.execution, "a", "1")).await?;
    let answer = s.write_one(at(3), write).await?;
    let left = s.take_signal(at(4), task.claim, 2, "a").await?;
    match answer {
        TurnCommit::Applied { taken: Some(OperationOutcome::Completed(value)) } => {
            assert_eq!((value, left), (payload("1"), None), "C-S2");
        }
        TurnCommit::Applied { taken: Some(other) } => {
            panic!("C-S2: a value was sent, but the wait ended with {other:?}")
        }
        TurnCommit::Applied { taken: None } => assert_eq!(left, Some(payload("1")), "C-S2: not taken, so still there"),
        TurnCommit::ClaimLost => panic!("C-Q2: the claim holds"),
    }
    assert_eq!(s.journal(task.claim.task).await?.entries.len(), 2, "C-S2: journaled once");
    Ok(())
}

/// C-S4 A value that was sent in time is taken, however late the take; one that was sent later is left for the next wait, and the wait has ended.
pub(super) async fn a_value_counts_by_when_it_was_sent(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f").priority(1)).await?;
    let _ = s.send(at(5), &send(task.execution, "a", "in time")).await?;
    let late = turn(task.claim).take_until(0, at(9), at(5));
    assert_eq!(s.write_one(at(9), late.clone()).await?, took("in time"), "C-S4: it was sent in time");
    let _ = s.send(at(5).after(TICK), &send(task.execution, "a", "too late")).await?;
    assert_eq!(s.another().await?.write_one(at(9), late).await?, took("in time"), "C-Q2: a repeat");
    let ended = turn(task.claim).take_until(1, at(4), at(5));
    for _ in 0..2 {
        assert_eq!(s.write_one(at(9), ended.clone()).await?, ELAPSED, "C-S4: whatever the taker's clock says");
    }
    let expected = [gave(signal_wait(0, "a"), "in time"), elapsed("a")];
    assert_eq!(told(&s.journal(task.claim.task).await?), expected.map(|body| (0, body)), "C-S4: journaled once");
    assert_eq!(s.take_signal(at(10), task.claim, 2, "a").await?, Some(payload("too late")), "C-S4: the next wait's");
    Ok(())
}

/// C-S4 A take from an empty slot ends the wait once its time has come, and not before.
pub(super) async fn a_wait_ends_when_its_time_has_come(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let early = turn(task.claim).take_until(0, at(5).before(TICK), at(5));
    assert_eq!(s.write_one(at(5), early).await?, WRITTEN, "C-S4: it goes on");
    let due = turn(task.claim).take_until(0, at(5), at(5));
    assert_eq!(s.write_one(at(5), due.clone()).await?, ELAPSED, "C-S4");
    let _ = s.send(at(5), &send(task.execution, "a", "1")).await?;
    assert_eq!(s.another().await?.write_one(at(6), due).await?, ELAPSED, "C-Q2: a repeat takes nothing");
    assert_eq!(told(&s.journal(task.claim.task).await?), [(0, elapsed("a"))]);
    assert_eq!(s.take_signal(at(6), task.claim, 1, "a").await?, Some(payload("1")), "C-S4: the next wait's");
    Ok(())
}

/// C-S4 C-Q2 Under a claim that was lost no wait ends.
pub(super) async fn a_lost_claim_ends_no_wait(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let _other = s.take_one(at(0).after(LEASE)).await?.claim;
    let answer = s.write_one(at(11), turn(task.claim).take_until(0, at(11), at(5))).await?;
    assert_eq!(answer, TurnCommit::ClaimLost);
    assert!(s.journal(task.claim.task).await?.entries.is_empty(), "C-Q2");
    Ok(())
}

/// C-S2 A take under a claim that was lost leaves the value where it is.
pub(super) async fn a_lost_claim_takes_nothing(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let _ = s.send(at(1), &send(task.execution, "a", "1")).await?;
    let other = s.take_one(at(0).after(LEASE)).await?.claim;
    let answer = s.write_one(at(11), turn(task.claim).take(0, 0, signal_wait(0, "a"))).await?;
    assert_eq!(answer, TurnCommit::ClaimLost);
    assert_eq!(s.take_signal(at(12), other, 0, "a").await?, Some(payload("1")), "C-S2: the value is there");
    Ok(())
}

/// C-S2 A task below the root takes from the slot of its execution.
pub(super) async fn a_child_takes_from_its_executions_slot(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(1), "g").await?.claim;
    let _ = s.send(at(1), &send(family.execution, "a", "1")).await?;
    let own = s.send(at(1), &send(ExecutionId::from_bytes(*child.task.as_bytes()), "a", "2")).await?;
    assert_eq!(own, Sent::Unknown, "C-S3: a child is no execution");
    assert_eq!(s.take_signal(at(2), child, 0, "a").await?, Some(payload("1")), "C-S2");
    assert_eq!(s.take_signal(at(3), family.parent, 0, "a").await?, None, "C-S2: it was taken");
    Ok(())
}

/// C-S2 Of two tasks of an execution that take at once exactly one gets the value.
pub(super) async fn of_two_takes_at_once_one_gets_the_value(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let child = s.take_of(at(0), "g").await?.claim;
    let (here, there) = (s.handle(), s.another().await?);
    for seq in 0..25 {
        let _ = s.send(at(1), &send(family.execution, "a", "1")).await?;
        let (a, b, parent) = (here.clone(), there.clone(), family.parent);
        let (one, other) = at_once(async move { a.take_signal(at(2), parent, seq * 2, "a").await }, async move {
            b.take_signal(at(2), child, seq * 2, "a").await
        })
        .await?;
        let taken = [one, other].into_iter().flatten().collect::<Vec<_>>();
        assert_eq!(taken, [payload("1")], "C-S2: a value is given once");
    }
    Ok(())
}

/// C-S1 C-S2 A send and a take at once lose no value: it is taken now or by the next take.
pub(super) async fn a_send_and_a_take_at_once_lose_nothing(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let (here, there) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let (old, new) = (send(task.execution, "a", "old"), send(task.execution, "a", "new"));
        assert_eq!(s.send(at(1), &old).await?, FIRST);
        let (a, b) = (here.clone(), there.clone());
        let (sent, taken) = at_once(async move { a.send(at(2), &new).await.map_err(Trouble::from) }, async move {
            b.take_signal(at(2), task.claim, round * 2, "a").await
        })
        .await?;
        let left = s.take_signal(at(3), task.claim, round * 2 + 1, "a").await?;
        let (old, new) = (Some(payload("old")), Some(payload("new")));
        match sent {
            FIRST => assert_eq!((taken, left), (old, new), "C-S2: taken, then sent"),
            AGAIN => assert_eq!((taken, left), (new, None), "C-S1: overwritten, then taken"),
            other => panic!("C-S3: the execution is open, not {other:?}"),
        }
    }
    Ok(())
}

/// C-S3 One send that two processes make at once acts once.
pub(super) async fn a_send_made_twice_at_once_acts_once(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let (here, there) = (s.handle(), s.another().await?);
    for _ in 0..25 {
        let signal = SignalSend { id: SignalId::random(), ..send(task.execution, "a", "1") };
        let again = signal.clone();
        let (a, b) = (here.clone(), there.clone());
        let (one, other) = at_once(async move { a.send(at(1), &signal).await.map_err(Trouble::from) }, async move {
            b.send(at(1), &again).await.map_err(Trouble::from)
        })
        .await?;
        assert_eq!(one, other, "C-S3: the repeat is answered as the first was");
    }
    Ok(())
}

/// C-S3 One id that goes to two slots at once is one send, to either of them.
pub(super) async fn a_sends_id_given_to_two_slots_at_once_acts_once(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    let (here, there) = (s.handle(), s.another().await?);
    for seq in 0..25 {
        let one = SignalSend { id: SignalId::random(), ..send(task.execution, "a", "1") };
        let two = SignalSend { name: signal_name("b"), ..one.clone() };
        let (a, b) = (here.clone(), there.clone());
        let answers = at_once(async move { a.send(at(1), &one).await.map_err(Trouble::from) }, async move {
            b.send(at(1), &two).await.map_err(Trouble::from)
        })
        .await?;
        assert_eq!(answers, (FIRST, FIRST), "C-S3: the repeat is answered as the first was");
        let (in_a, in_b) = (
            s.take_signal(at(2), task.claim, 2 * seq, "a").await?,
            s.take_signal(at(2), task.claim, 2 * seq + 1, "b").await?,
        );
        assert!(in_a.is_some() != in_b.is_some(), "C-S3: one of them acted: {in_a:?}, {in_b:?}");
    }
    Ok(())
}
