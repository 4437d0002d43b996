//! Reopening: what was accepted before a crash is there after it.

use stent_core::WorkerId;
use stent_core::backend::DeadLetterFilter;
use stent_core::claim::Renewal;
use stent_core::commit::{Cancelled, Commit, Dispatched, Reserved, Sent};
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::memo::{Memo, MemoMode};
use stent_core::outcome::Outcome;
use stent_core::task::{TaskState, Wait};
use stent_core::variable::VariableChange;
use stent_core::worker::WorkerRecord;

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TaskWith, TurnWith, at, call, child, completed, execution, executions, executions_of,
    failed, fingerprint, has, has_limited, items, map, payload, request, retried, secs, send, signal_name, signal_wait,
    sleeping, turn, variable, waiting, worker,
};
use super::scenes::took;
use super::store::{Checked, Fixture};

/// C-Q2 Accepted dispatches are there, pending, scheduled or born, with their dedup keys.
pub(super) async fn accepted_dispatches_survive(mut s: Fixture) -> Checked {
    let batch = [execution("f").dedup("key"), execution("f").due(at(50)), execution("f").born("known")];
    s.create_all(at(0), &batch).await?;
    s.reopen().await?;
    assert_eq!(s.dispatch(at(1), &[execution("f").dedup("key")]).await?, [Dispatched::Existing(batch[0].id)]);
    let states = [ExecutionState::Pending, ExecutionState::Scheduled, ExecutionState::Completed];
    for (made, state) in batch.iter().zip(states) {
        assert_eq!(s.shown(made.id).await?, state);
    }
    assert_eq!(executions_of(&s.take_all(at(50)).await?), [batch[0].id, batch[1].id]);
    Ok(())
}

/// C-Q2 Claims are there: still held, repeatable by their token, renewed and ended by their holder.
pub(super) async fn claims_survive(mut s: Fixture) -> Checked {
    s.create_all(at(0), &executions(3, "f")).await?;
    let request = request().limit(2);
    let held = s.take(at(0), request.clone()).await?;
    s.reopen().await?;
    assert_eq!(s.take(at(1), request).await?, held, "a claim whose answer was lost is repeated by its token");
    let answers = s.renew(at(5), &worker(WorkerId::random()), &[held[0].claim, held[1].claim]).await?;
    assert_eq!(answers, [Renewal::Renewed, Renewal::Renewed]);
    s.end(at(6), completed(held[0].claim, "done")).await?;
    s.reopen().await?;
    assert_eq!(
        s.finish(at(7), completed(held[0].claim, "done")).await?,
        Commit::Applied,
        "a repeat after an unknown commit"
    );
    let expired = s.take_all(at(15)).await?;
    assert_eq!((expired.len(), expired[0].claim.task, expired[0].attempt), (2, held[1].claim.task, 2));
    Ok(())
}

/// C-R1 Journals are there to the last entry and child, byte by byte.
pub(super) async fn journals_survive(mut s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent")).await?;
    let write = turn(root.claim).step(0, 0, "one", "1").child(child(root.claim.task, call(0, "f")));
    s.note_down(at(0), write.children(items(root.claim.task, &map(0, "item"), 0..5))).await?;
    let before = s.journal(root.claim.task).await?;
    s.reopen().await?;
    assert_eq!(s.journal(root.claim.task).await?, before);
    assert_eq!(s.map_items(root.claim.task, 0, &map(0, "item"), 0..10).await?.len(), 5);
    s.note_down(at(1), turn(root.claim).step(1, 1, "two", "2")).await?;
    s.reopen().await?;
    assert_eq!(s.journal(root.claim.task).await?.entries.len(), 2);
    Ok(())
}

/// C-X3 Every kind of end is there, with its outcome, time and dead letter.
pub(super) async fn ends_survive(mut s: Fixture) -> Checked {
    let done = s.start(at(0), execution("f")).await?;
    s.end(at(1), completed(done.claim, "done")).await?;
    let broken = s.start(at(0), execution("f")).await?;
    s.end(at(1), failed(broken.claim, "Timeout")).await?;
    let late = s.create(at(0), execution("f").max_duration(secs(1))).await?;
    s.expire(at(1), 10).await?;
    let cancelled = s.create(at(0), execution("f")).await?;
    assert_eq!(s.cancel(at(1), cancelled).await?, Cancelled::Done);
    let ids = [done.execution, broken.execution, late, cancelled];
    let before = s.executions(&ids).await?;
    s.reopen().await?;
    assert_eq!(s.executions(&ids).await?, before);
    assert!(before.iter().all(|status| matches!(status, ExecutionStatus::Ended(_))));
    assert_eq!(s.outcome(done.claim.task).await?, Outcome::Completed(payload("done")));
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 1);
    assert_eq!(s.cancel(at(2), cancelled).await?, Cancelled::Done, "a repeat after an unknown commit");
    assert!(s.take_all(at(100)).await?.is_empty());
    Ok(())
}

/// C-Q5 What a suspended task waits for is there: timer, signal, child and map still wake it.
pub(super) async fn suspended_tasks_survive_with_their_waits(mut s: Fixture) -> Checked {
    let timer = s.start(at(0), execution("g")).await?;
    s.rest(at(0), sleeping(timer.claim, at(40))).await?;
    let signalled = s.start(at(0), execution("g")).await?;
    s.rest(at(0), waiting(signalled.claim, vec![Wait::Signal(signal_name("go"))])).await?;
    let caller = s.start(at(0), execution("parent")).await?;
    let below = child(caller.claim.task, call(0, "f"));
    s.note_down(at(0), turn(caller.claim).child(below.clone())).await?;
    s.rest(at(0), waiting(caller.claim, vec![Wait::Child(below.id)])).await?;
    let called = s.take_one(at(0)).await?;
    let mapper = s.start(at(0), execution("parent")).await?;
    s.note_down(at(0), turn(mapper.claim).children(items(mapper.claim.task, &map(0, "item"), 0..2))).await?;
    let range = Wait::Map { operation: map(0, "item"), items: 0..2, settled: true };
    s.rest(at(0), waiting(mapper.claim, vec![range])).await?;
    let mapped = s.take_all(at(0)).await?;
    s.reopen().await?;

    for sleeper in [&timer, &signalled, &caller, &mapper] {
        assert_eq!(s.state(sleeper.claim.task).await?, TaskState::Suspended);
    }
    let _ = s.send(at(1), &send(signalled.execution, "go", "now")).await?;
    s.end(at(1), completed(called.claim, "done")).await?;
    s.end(at(1), completed(mapped[0].claim, "done")).await?;
    s.reopen().await?;
    assert_eq!(s.state(mapper.claim.task).await?, TaskState::Suspended, "one item is still open");
    s.end(at(2), completed(mapped[1].claim, "done")).await?;
    s.reopen().await?;
    for woken in [&signalled, &caller, &mapper] {
        assert_eq!(s.state(woken.claim.task).await?, TaskState::Pending);
    }
    s.take_all(at(40)).await?;
    assert_eq!(s.state(timer.claim.task).await?, TaskState::Running);
    Ok(())
}

/// C-S1 C-S3 Slots are there, and a repeated send is still known.
pub(super) async fn signals_survive(mut s: Fixture) -> Checked {
    let root = s.start(at(0), execution("f")).await?;
    let signal = send(root.execution, "go", "first");
    assert_eq!(s.send(at(0), &signal).await?, Sent::Stored { overwrote: false });
    s.reopen().await?;
    assert_eq!(s.send(at(1), &signal).await?, Sent::Stored { overwrote: false }, "a repeat answers as the first did");
    let write = turn(root.claim).note(0, 0, "waits").take(1, 0, signal_wait(0, "go"));
    let answer = s.write_one(at(1), write).await?;
    assert_eq!(answer, took("first"));
    Ok(())
}

/// C-V1 C-K2 C-Q3 Variables, memo, reservations and places are there.
pub(super) async fn variables_memo_and_places_survive(mut s: Fixture) -> Checked {
    let memo = Memo { key: fingerprint("memo"), mode: MemoMode::Cached { ttl: None } };
    let made = [execution("f").memo(memo).max_concurrent(1), execution("f").max_concurrent(1)];
    s.create_all(at(0), &made).await?;
    let limited = || request().functions([has_limited("f", 1)]);
    let held = s.take_with(at(0), limited()).await?;
    let write = turn(held.claim).note(0, 0, "counts").change(VariableChange::Add(variable("count"), 3));
    s.note_down(at(0), write).await?;
    assert_eq!(s.reserve(at(0), held.claim, fingerprint("once")).await?, Reserved::Yours);
    s.reopen().await?;
    assert_eq!(s.read(held.execution).await?.counters.get(&variable("count")), Some(&3));
    assert!(s.take(at(1), limited()).await?.is_empty(), "the place is held");
    s.create(at(1), execution("g")).await?;
    let other = s.take_with(at(1), request().functions([has("g")])).await?;
    let answer = s.reserve(at(1), other.claim, fingerprint("once")).await?;
    assert_eq!(answer, Reserved::Held { by: held.claim.task, is_ancestor: false });
    s.end(at(2), completed(held.claim, "shared")).await?;
    s.reopen().await?;
    assert_eq!(s.recall(at(3), &[memo.key]).await?, [Some(payload("shared"))]);
    assert_eq!(s.take(at(3), limited()).await?.len(), 1, "the place is free");
    Ok(())
}

/// C-Y3 C-Q6 Retries and workers are there.
pub(super) async fn retries_and_workers_survive(mut s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), retried(task.claim, at(30))).await?;
    let record = worker(WorkerId::random());
    s.renew(at(2), &record, &[]).await?;
    s.reopen().await?;
    assert_eq!(s.workers().await?, [WorkerRecord { seen_at: at(2), ..record }]);
    assert!(s.take_all(at(29)).await?.is_empty());
    let again = s.take_one(at(30)).await?;
    assert_eq!((again.attempt, again.claim.task), (2, task.claim.task));
    Ok(())
}
