//! Maintenance: schema, health, retention.

use stent_core::backend::{DeadLetterFilter, ExecutionFilter, Page, Pruned, RedriveTarget, TaskFilter, Watch};
use stent_core::commit::{Cancelled, Dispatched, Redriven, RefusedRedrive, Reserved, Sent};
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::limits;
use stent_core::memo::{Memo, MemoMode};
use stent_core::variable::{VariableChange, Variables};
use stent_core::{ExecutionId, Timestamp, WorkerId};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, TICK, TaskWith, TurnWith, at, call, child, completed, execution, failed, fingerprint, items, map,
    payload, secs, send, signal_name, sleeping, turn, variable, worker,
};
use super::store::{Checked, Fixture, Trouble};

/// Prunes to the end; answers with how many rows went.
async fn prune_all(s: &Fixture, now: Timestamp, before: Timestamp) -> Result<u64, Trouble> {
    let mut rows = 0;
    for _ in 0..1_000 {
        let step = s.prune(now, before).await?;
        rows += step.rows;
        if !step.more {
            return Ok(rows);
        }
    }
    Err(Trouble::new("a thousand steps of retention have not come to an end"))
}

/// An execution that completed at this time.
async fn done_at(s: &Fixture, now: Timestamp) -> Result<ExecutionId, Trouble> {
    let task = s.start(now, execution("f").due(now)).await?;
    s.end(now, completed(task.claim, "done")).await?;
    Ok(task.execution)
}

/// C-X3 What ended before the time goes, what ended at it or later stays.
pub(super) async fn retention_deletes_what_ended_before_its_time(s: Fixture) -> Checked {
    let old = done_at(&s, at(10).before(TICK)).await?;
    let young = done_at(&s, at(10)).await?;
    assert!(prune_all(&s, at(100), at(10)).await? > 0, "the answer counts the rows that went");
    assert_eq!(s.status(old).await?, ExecutionStatus::Unknown);
    assert_eq!(s.shown(young).await?, ExecutionState::Completed);
    assert_eq!(s.prune(at(100), at(10)).await?, Pruned::default(), "nothing is left to do");
    Ok(())
}

/// C-X3 Every kind of end is retained alike.
pub(super) async fn retention_knows_every_end(s: Fixture) -> Checked {
    let mut ids = vec![done_at(&s, at(1)).await?];
    let broken = s.start(at(1), execution("f")).await?;
    s.end(at(1), failed(broken.claim, "Timeout")).await?;
    let late = s.create(at(0), execution("f").max_duration(secs(1))).await?;
    s.expire(at(1), 10).await?;
    let cancelled = s.create(at(0), execution("f")).await?;
    let _ = s.cancel(at(1), cancelled).await?;
    let born = s.create(at(1), execution("f").born("known")).await?;
    ids.extend([broken.execution, late, cancelled, born]);
    prune_all(&s, at(100), at(10)).await?;
    for id in ids {
        assert_eq!(s.status(id).await?, ExecutionStatus::Unknown);
    }
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 0, "its dead letters go with it");
    Ok(())
}

/// C-X3 Open executions stay, however old, with all that ended below them.
pub(super) async fn retention_never_touches_what_is_open(s: Fixture) -> Checked {
    let running = s.start(at(0), execution("parent")).await?;
    let below = child(running.claim.task, call(0, "f"));
    let write = turn(running.claim).step(0, 0, "one", "1").change(VariableChange::Add(variable("count"), 1));
    s.note_down(at(0), write.child(below.clone())).await?;
    let task = s.take_one(at(0)).await?;
    s.end(at(1), completed(task.claim, "done")).await?;
    let suspended = s.start(at(0), execution("f")).await?;
    s.rest(at(0), sleeping(suspended.claim, at(5))).await?;
    let pending = s.create(at(0), execution("f").dedup("key")).await?;
    let scheduled = s.create(at(0), execution("f").due(at(7))).await?;
    assert_eq!(prune_all(&s, at(1_000), at(1_000)).await?, 0);
    for id in [running.execution, suspended.execution, pending, scheduled] {
        assert!(matches!(s.status(id).await?, ExecutionStatus::Open(_)));
    }
    assert!(s.ended(below.id).await?.is_some());
    assert_eq!(s.journal(running.claim.task).await?.entries.len(), 1);
    assert_eq!(s.read(running.execution).await?.counters.len(), 1);
    Ok(())
}

/// An execution with a child, a journal, variables, a full slot and a dead letter, that failed at 1.
async fn fat(s: &Fixture) -> Result<stent_core::execution::NewExecution, Trouble> {
    let new = execution("parent").dedup("key");
    let root = s.start(at(0), new.clone()).await?;
    let write = turn(root.claim).step(0, 0, "one", "1").note(1, 0, "noted").child(child(root.claim.task, call(0, "f")));
    let write = write.change(VariableChange::Add(variable("count"), 1));
    s.note_down(at(0), write.change(VariableChange::Set(variable("value"), payload("v")))).await?;
    let _ = s.send(at(0), &send(new.id, "go", "unread")).await?;
    let below = s.take_one(at(0)).await?;
    s.note_down(at(0), turn(below.claim).step(0, 0, "two", "2")).await?;
    s.end(at(1), failed(below.claim, "Timeout")).await?;
    s.end(at(1), failed(root.claim, "Timeout")).await?;
    Ok(new)
}

/// C-X3 Everything that hangs on an execution goes with it, so that its id and key can be used afresh.
pub(super) async fn retention_leaves_nothing_of_an_execution(s: Fixture) -> Checked {
    let new = fat(&s).await?;
    let below = child(new.id.root(), call(0, "f")).id;
    prune_all(&s, at(100), at(10)).await?;
    assert_eq!((s.task(new.id.root()).await?, s.task(below).await?), (None, None));
    assert_eq!(s.count_tasks(&TaskFilter::default()).await?, 0);
    assert_eq!(s.count_dead_letters(&DeadLetterFilter::default()).await?, 0);
    assert!(s.load(below, 0).await?.entries.is_empty());

    assert_eq!(s.dispatch(at(100), std::slice::from_ref(&new)).await?, [Dispatched::Created]);
    let root = s.take_one(at(100)).await?;
    assert_eq!((root.execution, root.is_fresh, root.attempt), (new.id, true, 1), "nothing of the old journal is left");
    assert_eq!(s.read(new.id).await?, Variables::default());
    assert_eq!(s.news(&[Watch::Signal(new.id, signal_name("go"))]).await?, [false]);
    assert!(s.list_progress(new.id, Page::first(10)).await?.is_empty());
    Ok(())
}

/// C-X3 An execution is marked first, deleted in steps of bounded size, and gone for everyone from the mark on.
pub(super) async fn a_marked_execution_is_gone_for_everyone(s: Fixture) -> Checked {
    let root = s.start(at(0), execution("parent").tags(&["wide"])).await?;
    let children = items(root.claim.task, &map(0, "item"), 0..2_500);
    let first_child = children[0].id;
    let mut write = turn(root.claim).note(0, 0, "values").children(children);
    for number in 0..2_500 {
        write = write.change(VariableChange::Set(variable(&format!("value {number}")), payload("v")));
    }
    s.note_down(at(0), write).await?;
    s.end(at(1), failed(root.claim, "Timeout")).await?;
    let id = root.execution;

    let step = s.prune(at(100), at(10)).await?;
    assert!(step.more, "2,501 tasks and 2,500 values are more than one step deletes");
    assert!(step.rows <= u64::from(limits::BATCH), "a step deletes at most {} rows, not {}", limits::BATCH, step.rows);
    assert_eq!(s.status(id).await?, ExecutionStatus::Unknown);
    assert_eq!(s.execution(id).await?, None);
    assert!(s.list_executions(&ExecutionFilter::default(), Page::first(10)).await?.is_empty());
    assert_eq!(s.count_executions(&ExecutionFilter::default()).await?, 0);
    assert_eq!(s.cancel(at(101), id).await?, Cancelled::Unknown);
    let answer = s.redrive(at(101), RedriveTarget::Execution(id)).await?;
    assert_eq!(answer, Redriven::Refused(RefusedRedrive::Deleting), "C-X3: no redrive once it is marked");
    assert_eq!(s.send(at(101), &send(id, "go", "on")).await?, Sent::Unknown);
    assert_eq!(s.news(&[Watch::Execution(id)]).await?, [true], "whoever waits for it learns that it is gone");
    let of_it = TaskFilter { execution: Some(id), ..TaskFilter::default() };
    assert_eq!(s.count_tasks(&of_it).await?, 0, "executions that are being deleted are not shown");
    assert!(s.list_tasks(&of_it, Page::first(10)).await?.is_empty());
    assert_eq!(s.read(id).await?.values.len(), 0, "an unknown execution has no variables");

    prune_all(&s, at(100), at(10)).await?;
    assert_eq!((s.task(first_child).await?, s.task(id.root()).await?), (None, None));
    let answer = s.redrive(at(102), RedriveTarget::Execution(id)).await?;
    assert_eq!(answer, Redriven::Refused(RefusedRedrive::Unknown), "it is unknown once its root is gone");
    Ok(())
}

/// C-X3 Every step but the last says that there is more, and none deletes more rows than allowed.
pub(super) async fn retention_works_in_bounded_steps(s: Fixture) -> Checked {
    let born: Vec<_> = (0..2_300).map(|_| execution("f").born("known")).collect();
    s.create_all(at(0), &born).await?;
    let mut rows = Vec::new();
    for _ in 0..100 {
        let step = s.prune(at(100), at(10)).await?;
        assert!(
            step.rows <= u64::from(limits::BATCH),
            "a step deletes at most {} rows, not {}",
            limits::BATCH,
            step.rows
        );
        rows.push(step.rows);
        if !step.more {
            break;
        }
    }
    assert!(rows.iter().sum::<u64>() >= 2_300, "`more` was false before all was gone: {rows:?}");
    assert_eq!(s.count_executions(&ExecutionFilter::default()).await?, 0);
    Ok(())
}

/// C-Y6 An execution that a function dispatched outlives the one that made it, and its retention.
pub(super) async fn retention_of_a_maker_leaves_what_it_dispatched(s: Fixture) -> Checked {
    let maker = s.start(at(0), execution("f")).await?;
    let own = execution("g").due(at(500));
    s.note_down(at(0), turn(maker.claim).dispatch(own.clone())).await?;
    s.end(at(1), completed(maker.claim, "done")).await?;
    prune_all(&s, at(100), at(10)).await?;
    assert_eq!(s.status(maker.execution).await?, ExecutionStatus::Unknown);
    assert_eq!(s.shown(own.id).await?, ExecutionState::Scheduled);
    Ok(())
}

/// C-K2 C-X3 Memo goes by its own expiry: what has none outlives the execution that stored it.
pub(super) async fn memo_goes_by_its_own_expiry(s: Fixture) -> Checked {
    let memos = [
        ("short", MemoMode::Cached { ttl: Some(secs(50)) }),
        ("long", MemoMode::Cached { ttl: Some(secs(5_000)) }),
        ("ever", MemoMode::Cached { ttl: None }),
        ("once", MemoMode::Idempotent),
    ];
    let keys = memos.map(|(name, _)| fingerprint(name));
    for (name, mode) in memos {
        let task = s.start(at(0), execution("f").memo(Memo { key: fingerprint(name), mode })).await?;
        if mode == MemoMode::Idempotent {
            let _ = s.reserve(at(0), task.claim, fingerprint(name)).await?;
        }
        s.end(at(0), completed(task.claim, name)).await?;
    }
    prune_all(&s, at(100), at(10)).await?;
    assert_eq!(s.count_executions(&ExecutionFilter::default()).await?, 0);
    let stored = s.recall(at(0), &keys).await?;
    let expected = [None, Some(payload("long")), Some(payload("ever")), Some(payload("once"))];
    assert_eq!(stored, expected, "the expired row is gone, also for one whose clock is behind; the others stay");
    Ok(())
}

/// C-Q6 C-X3 Workers that were not heard of since the time go; the others stay.
pub(super) async fn workers_that_were_not_heard_of_go(s: Fixture) -> Checked {
    let (old, young) = (WorkerId::random(), WorkerId::random());
    s.renew(at(9), &worker(old), &[]).await?;
    s.renew(at(10), &worker(young), &[]).await?;
    prune_all(&s, at(100), at(10)).await?;
    let left: Vec<WorkerId> = s.workers().await?.iter().map(|record| record.id).collect();
    assert_eq!(left, [young]);
    Ok(())
}

/// C-Y5 A discarded dead letter is gone and its task stays failed.
pub(super) async fn a_dead_letter_can_be_discarded(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f")).await?;
    s.end(at(1), failed(task.claim, "Timeout")).await?;
    assert!(s.dead_letter(task.claim.task).await?.is_some());
    assert!(s.discard_dead_letter(task.claim.task).await?);
    assert_eq!(s.dead_letter(task.claim.task).await?, None);
    assert!(!s.discard_dead_letter(task.claim.task).await?, "there is none any more");
    assert!(!s.discard_dead_letter(execution("f").id.root()).await?, "there never was one");
    assert_eq!(s.shown(task.execution).await?, ExecutionState::Failed);
    let answer = s.redrive(at(2), RedriveTarget::DeadLetter(task.claim.task)).await?;
    assert_eq!(answer, Redriven::Refused(RefusedRedrive::Unknown), "C-Y5: there is no such dead letter");
    Ok(())
}

/// S21 Migration may be repeated, from any handle and at once; it changes nothing of what is stored.
pub(super) async fn migration_may_be_repeated(s: Fixture) -> Checked {
    let version = s.schema_version().await?;
    assert!(version > 0, "a migrated schema has a version");
    let id = s.create(at(0), execution("f")).await?;
    let mut handles = vec![s.handle()];
    for _ in 0..3 {
        handles.push(s.another().await?);
    }
    let migrating: Vec<_> =
        handles.into_iter().map(|handle| tokio::spawn(async move { handle.migrate().await })).collect();
    for migration in migrating {
        migration.await.map_err(|error| Trouble::new(error.to_string()))??;
    }
    assert_eq!(s.schema_version().await?, version);
    assert_eq!(s.shown(id).await?, ExecutionState::Pending);
    Ok(())
}

/// C-X2 A living store answers, with a clock of its own or with none.
pub(super) async fn a_living_store_answers_a_ping(s: Fixture) -> Checked {
    let first = s.ping().await?;
    let second = s.ping().await?;
    assert_eq!(first.is_some(), second.is_some(), "a store has a clock or has none");
    assert!(second >= first, "a store's clock does not go back");
    Ok(())
}

/// C-K2, C-X3 A key that was reserved by a task that retention deleted is free, and its reservation is deleted, too.
pub(super) async fn a_deleted_task_holds_no_key(s: Fixture) -> Checked {
    let owner = s.start(at(0), execution("f")).await?;
    assert_eq!(s.reserve(at(0), owner.claim, fingerprint("once")).await?, Reserved::Yours);
    s.end(at(1), failed(owner.claim, "Timeout")).await?;
    assert_eq!(prune_all(&s, at(100), at(10)).await?, 3, "the task, its dead letter and its reservation");
    let next = s.start(at(100), execution("f")).await?;
    assert_eq!(s.reserve(at(100), next.claim, fingerprint("once")).await?, Reserved::Yours);
    Ok(())
}
