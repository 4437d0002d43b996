//! Journals: what turns write, whole and once, and what a replay reads back.

use stent_core::commit::TurnCommit;
use stent_core::error::ErrorKind;
use stent_core::journal::{EntryBody, JournalEntry, Made, TurnWrite};
use stent_core::limits;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::task::TaskState;
use stent_core::variable::VariableChange;
use stent_core::{Failure, Payload};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, TICK, TaskWith, TurnWith, at, call, child, child_in, execution, failure, fingerprint, map,
    next_execution_id, nth_call, operation, payload, retried, secs, send, signal_wait, sleep, step, turn, turn_in,
    variable,
};
use super::scenes::{Loss, Scenes, WRITTEN, at_once, gave, rank, told, took};
use super::store::{Checked, Fixture, Trouble};

/// C-R5 Every kind of entry, outcome, key and payload is read back exactly as it was written, also after a crash.
pub(super) async fn every_kind_of_entry_comes_back_exactly(mut s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    let entries: Vec<_> = (0..)
        .zip(every_body()?)
        .map(|(seq, body)| JournalEntry { seq, turn: seq / 2, at: at(u64::from(seq)).after(TICK), body })
        .collect();
    s.note_down(at(1), TurnWrite { entries: entries.clone(), ..turn(task) }).await?;
    assert_eq!(s.journal(task.task).await?.entries, entries, "C-R5: the journal is what was written");
    s.reopen().await?;
    assert_eq!(s.journal(task.task).await?.entries, entries, "C-R5: it outlives a crash");
    Ok(())
}

fn every_body() -> Result<Vec<EntryBody>, Trouble> {
    let binary: Vec<u8> = (0..=u8::MAX).collect();
    let kinds = OperationKind::ALL.map(|kind| operation(3, kind, "naïve · 名前"));
    let keys = [
        OperationKey::none(),
        OperationKey::from(fingerprint("input")),
        OperationKey::from_bytes(&binary),
        OperationKey::new("línea 1 / 'quoted' \"twice\" %_").map_err(|error| Trouble::new(error.to_string()))?,
    ];
    let keyed = keys.into_iter().map(|key| OperationId { key, number: u32::MAX, ..step(u32::MAX - 1, "s") });
    let made = [
        Made::Sleep { until: at(7).after(TICK) },
        Made::Signal { until: None },
        Made::Signal { until: Some(at(9)) },
        Made::Map { chunk: limits::CHUNK },
        Made::Dispatch { execution: next_execution_id() },
        Made::Patch,
    ];
    let outcomes = [
        OperationOutcome::Completed(payload("{\"ok\": true}")),
        OperationOutcome::Completed(Payload::default()),
        OperationOutcome::Completed(Payload::from(&binary[..])),
        OperationOutcome::Completed(Payload::from(vec![0xA5; limits::PAYLOAD])),
        OperationOutcome::Failed(failure("Boom")),
        OperationOutcome::Failed(whole_failure()?),
        OperationOutcome::Elapsed,
    ];
    let chunk = |closed, state| EntryBody::Chunk { map: map(1, "item"), closed, state };
    let mut bodies: Vec<_> = kinds.into_iter().chain(keyed).map(EntryBody::Order).collect();
    bodies.extend(made.into_iter().map(|made| EntryBody::Made(operation(0, OperationKind::Patch, "any"), made)));
    bodies.extend(outcomes.into_iter().map(|outcome| EntryBody::Outcome(step(2, "s"), outcome)));
    bodies.extend([chunk(1_000, None), chunk(u32::MAX, Some(Payload::default())), chunk(0, Some(binary.into()))]);
    bodies.extend([EntryBody::Note("half of it, or 50 % – “so to say”".into()), EntryBody::Note(String::new())]);
    bodies.push(EntryBody::Variables);
    Ok(bodies)
}

fn whole_failure() -> Result<Failure, Trouble> {
    let record = serde_json::json!({
        "class": "PaymentError::Timeout",
        "message": "first line\nsecond line \u{1F4A5}",
        "chain": ["gateway", ""],
        "details": {"code": 7, "ratio": 0.1, "nothing": null, "list": [1, "two"]},
        "item": 3,
        "origin": {"task": next_execution_id().root(), "function": "f"},
    });
    serde_json::from_value(record).map_err(|error| Trouble::new(error.to_string()))
}

/// C-R5 The writes of several turns make one stream, read by any process in the order of its places.
pub(super) async fn several_turns_make_one_stream(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    s.note_down(at(1), turn(task).step(0, 0, "a", "1").step(1, 0, "b", "2")).await?;
    s.note_down(at(2), turn(task).made(2, sleep(1), Made::Sleep { until: at(9) })).await?;
    s.note_down(at(3), turn(task).order(3, 2, sleep(1)).note(4, 2, "awake")).await?;
    let journal = s.another().await?.journal(task.task).await?;
    let expected = vec![
        (0, gave(step(0, "a"), "1")),
        (0, gave(step(0, "b"), "2")),
        (1, EntryBody::Made(sleep(1), Made::Sleep { until: at(9) })),
        (2, EntryBody::Order(sleep(1))),
        (2, EntryBody::Note("awake".into())),
    ];
    assert_eq!(told(&journal), expected, "C-R5: one ordered stream");
    let places: Vec<_> = journal.entries.iter().map(|entry| entry.seq).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
    Ok(())
}

/// C-R10 A journal of thousands of entries and children loads whole and in order.
pub(super) async fn a_long_journal_loads_whole(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("parent")).await?.claim;
    for part in 0..4 {
        let places = part * 1_000..(part + 1) * 1_000;
        let write = places.clone().fold(turn(task), |write, seq| write.note(seq, seq, "n"));
        let children = places.step_by(4).map(|number| child(task.task, nth_call(0, "g", number))).collect();
        s.note_down(at(1), write.children(children)).await?;
    }
    let journal = s.journal(task.task).await?;
    assert!(journal.entries.iter().map(|entry| entry.seq).eq(0..4_000), "C-R5: in order, none missing");
    assert_eq!(journal.children.len(), 1_000, "C-R10: every child of a call");
    Ok(())
}

/// C-R5 A task that wrote nothing has an empty journal, and so has one that nobody knows.
pub(super) async fn a_journal_without_writes_is_empty(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?.claim;
    assert_eq!(s.journal(task.task).await?, Default::default());
    assert_eq!(s.journal(next_execution_id().root()).await?, Default::default());
    Ok(())
}

/// C-Q2 C-V1 A turn that is written again, by whatever process, is answered `Applied` and acts once.
pub(super) async fn a_repeated_turn_acts_once(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    let dispatched = execution("h");
    let write = turn(family.parent)
        .step(0, 0, "s", "x")
        .child(child(family.parent.task, call(1, "f")))
        .dispatch(dispatched.clone())
        .cancel(1, family.children[0])
        .change(VariableChange::Add(variable("n"), 5));
    assert_eq!(s.write_one(at(1), write.clone()).await?, WRITTEN);
    let before = (s.journal(family.parent.task).await?, s.read(family.execution).await?);
    assert_eq!(s.another().await?.write_one(at(2), write.clone()).await?, WRITTEN, "C-Q2: a repeat is `Applied`");
    assert_eq!(s.write_one(at(3), write).await?, WRITTEN);
    let after = (s.journal(family.parent.task).await?, s.read(family.execution).await?);
    assert_eq!(after, before, "C-Q2: a repeat acts once");
    assert_eq!(after.1.counters[&variable("n")], 5);
    assert_eq!((after.0.entries.len(), after.0.children.len()), (1, 2));
    assert_eq!(s.take_all(at(4)).await?.len(), 2, "C-Q2: one child and one execution were made");
    Ok(())
}

/// C-Q2 A late repeat of an earlier turn changes nothing of what came after it.
pub(super) async fn a_late_repeat_of_an_earlier_turn_changes_nothing(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("parent")).await?;
    let made = child(task.claim.task, call(0, "g"));
    let first =
        turn(task.claim).note(0, 0, "a").child(made.clone()).change(VariableChange::Set(variable("v"), payload("1")));
    s.note_down(at(1), first.clone()).await?;
    let second = turn(task.claim).note(1, 1, "b").change(VariableChange::Set(variable("v"), payload("2")));
    s.note_down(at(2), second).await?;
    let running = s.take_of(at(2), "g").await?;
    assert_eq!(s.write_one(at(3), first).await?, WRITTEN);
    assert_eq!(s.read(task.execution).await?.values[&variable("v")], payload("2"), "C-V1: once");
    assert_eq!(s.journal(task.claim.task).await?.entries.len(), 2);
    assert_eq!(s.look(made.id).await?.worker, s.look(running.claim.task).await?.worker);
    assert_eq!(s.state(made.id).await?, TaskState::Running, "C-Q2: a child that exists is left alone");
    Ok(())
}

/// C-Q2 C-V1 One turn written by two processes at once acts once.
pub(super) async fn a_turn_written_twice_at_once_acts_once(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("parent")).await?;
    let (one, other) = (s.handle(), s.another().await?);
    for round in 0..25 {
        let write = turn(task.claim)
            .note(round, round, "n")
            .child(child(task.claim.task, nth_call(round, "g", 0)))
            .change(VariableChange::Add(variable("n"), 1));
        let (a, b, again) = (one.clone(), other.clone(), write.clone());
        let answers =
            at_once(async move { a.write_one(at(1), write).await }, async move { b.write_one(at(1), again).await })
                .await?;
        assert_eq!(answers, (WRITTEN, WRITTEN), "C-Q2: both are `Applied`");
    }
    assert_eq!(s.read(task.execution).await?.counters[&variable("n")], 25, "C-V1: once each");
    let journal = s.journal(task.claim.task).await?;
    assert_eq!((journal.entries.len(), journal.children.len()), (25, 25));
    Ok(())
}

/// C-R5 C-Q2 A turn of a claim that does not hold writes nothing of all that it bears.
pub(super) async fn a_turn_of_a_lost_claim_writes_nothing(s: Fixture) -> Checked {
    for (round, loss) in (0..).zip(Loss::ALL) {
        let now = at(round * 1_000);
        let task = s.start(now, execution("f").due(now).priority(rank(now)).max_duration(secs(100))).await?;
        let claim = task.claim;
        let open = child(claim.task, call(0, "g"));
        s.note_down(now, turn(claim).child(open.clone()).step(0, 0, "s", "x")).await?;
        let _ = s.send(now, &send(task.execution, "a", "1")).await?;
        s.lose(now, &task, loss).await?;
        let (before, journal) = (s.state(open.id).await?, s.journal(claim.task).await?);
        let (made, dispatched) = (child(claim.task, call(1, "h")), execution("h"));
        let write = turn(claim)
            .step(1, 1, "late", "x")
            .child(made.clone())
            .dispatch(dispatched.clone())
            .cancel(1, open.id)
            .change(VariableChange::Add(variable("n"), 1))
            .take(2, 1, signal_wait(0, "a"));
        let answer = s.write_one(now.after(secs(1)), write).await?;
        assert_eq!(answer, TurnCommit::ClaimLost, "C-Q2: {loss:?}");
        assert_eq!(s.journal(claim.task).await?, journal, "C-R5: no entry ({loss:?})");
        assert_eq!(s.task(made.id).await?, None, "C-R5: no child ({loss:?})");
        assert_eq!(s.execution(dispatched.id).await?, None, "C-R5: no dispatch ({loss:?})");
        assert_eq!(s.state(open.id).await?, before, "C-R5: nothing is cancelled ({loss:?})");
        assert!(s.read(task.execution).await?.counters.is_empty(), "C-V1: no change ({loss:?})");
    }
    Ok(())
}

/// C-Q2 A batch of turns is answered turn by turn, and a lost claim takes none of the others with it.
pub(super) async fn turns_are_answered_in_order_each_for_itself(s: Fixture) -> Checked {
    let lost = s.lost(at(0), Loss::Cancelled).await?.claim;
    let one = s.start(at(1), execution("f").due(at(1))).await?;
    let other = s.start(at(2), execution("f").due(at(2))).await?;
    let _ = s.send(at(2), &send(other.execution, "a", "1")).await?;
    let writes = [
        turn(one.claim).note(0, 0, "one"),
        turn(lost).note(0, 0, "lost"),
        turn(other.claim).note(0, 0, "other").take(1, 0, signal_wait(0, "a")),
    ];
    let answers = s.write(at(3), &writes).await?;
    assert_eq!(answers, [WRITTEN, TurnCommit::ClaimLost, took("1")], "C-Q2: an answer a turn, in order");
    for (task, entries) in [(one.claim, 1), (lost, 0), (other.claim, 2)] {
        assert_eq!(s.journal(task.task).await?.entries.len(), entries);
    }
    assert_eq!(s.write(at(3), &[]).await?, []);
    Ok(())
}

/// C-V1 A turn whose changes of variables bear no entry, by which a repeat would be known, is refused whole.
pub(super) async fn changes_of_variables_without_an_entry_are_refused(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("parent")).await?;
    let made = child(task.claim.task, call(0, "g"));
    let write = turn(task.claim).child(made.clone()).change(VariableChange::Add(variable("n"), 1));
    match s.write(at(1), &[write]).await {
        Err(error) => assert_eq!(*error.kind(), ErrorKind::Invalid, "a rule of `TurnWrite` is broken"),
        Ok(answers) => panic!("C-V1: a write that could not be repeated was answered {answers:?}"),
    }
    assert_eq!(s.task(made.id).await?, None);
    assert!(s.read(task.execution).await?.counters.is_empty());
    Ok(())
}

/// C-R10 A generation's journal has the entries and children of that generation alone.
pub(super) async fn generations_are_kept_apart(s: Fixture) -> Checked {
    let family = s.family(at(0), &["g"]).await?;
    s.note_down(at(1), turn(family.parent).step(0, 0, "s", "old")).await?;
    s.end(at(2), retried(family.parent, at(2))).await?;
    let again = s.take_of(at(3), "parent").await?.claim;
    assert_eq!(s.load(again.task, 1).await?, Default::default(), "C-R10: a new generation is empty");
    let renewed = child_in(again.task, 1, call(0, "g"));
    assert_ne!(renewed.id, family.children[0]);
    s.note_down(at(4), turn_in(again, 1).step(0, 0, "s", "new").child(renewed.clone())).await?;
    let journal = s.load(again.task, 1).await?;
    assert_eq!(told(&journal), [(0, gave(step(0, "s"), "new"))], "C-R10: entries of this generation alone");
    let children: Vec<_> = journal.children.iter().map(|child| child.id).collect();
    assert_eq!(children, [renewed.id], "C-R10: and its children alone");
    let old = s.load(again.task, 0).await?;
    assert!(!told(&old).contains(&(0, gave(step(0, "s"), "new"))));
    assert!(old.children.iter().all(|child| child.id != renewed.id));
    Ok(())
}
