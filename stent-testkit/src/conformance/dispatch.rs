//! Dispatch: executions begin.

use std::time::Duration;

use stent_core::commit::Dispatched;
use stent_core::execution::{ExecutionState, ExecutionStatus};
use stent_core::limits;
use stent_core::memo::{Memo, MemoMode};
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::TaskState;
use stent_core::{Payload, RetryPolicy, Timestamp};

use super::acts::Acts;
use super::builders::{
    ExecutionWith, RequestWith, TICK, TaskWith, at, completed, dedup, execution, executions, executions_of,
    fingerprint, has_version, payload, request, secs, tag,
};
use super::store::{Checked, Fixture, Trouble};

/// C-Q1 C-Q2 A root that is due is pending, and a repeated id makes nothing.
pub(super) async fn a_dispatch_makes_one_pending_execution(s: Fixture) -> Checked {
    let execution = execution("f");
    for _ in 0..2 {
        let answers = s.dispatch(at(0), std::slice::from_ref(&execution)).await?;
        assert_eq!(answers, [Dispatched::Created], "a repeat with the same id answers as the first did");
    }
    assert_eq!(s.shown(execution.id).await?, ExecutionState::Pending);
    assert_eq!(s.state(execution.id.root()).await?, TaskState::Pending, "the root task bears the execution's id");
    assert_eq!(s.take_all(at(0)).await?.len(), 1, "a repeated dispatch makes nothing");
    Ok(())
}

/// C-Q2 A repeat after the execution has gone on leaves it as it is.
pub(super) async fn a_repeated_dispatch_does_not_begin_an_ended_execution_again(s: Fixture) -> Checked {
    let execution = execution("f").dedup("once");
    let task = s.start(at(0), execution.clone()).await?;
    s.end(at(1), completed(task.claim, "done")).await?;
    assert_eq!(
        s.dispatch(at(2), std::slice::from_ref(&execution)).await?,
        [Dispatched::Created],
        "a repeat is known by its id, before its dedup key is asked for"
    );
    assert_eq!(s.shown(execution.id).await?, ExecutionState::Completed);
    assert!(s.take_all(at(2)).await?.is_empty(), "a repeated dispatch makes nothing");
    Ok(())
}

/// C-Q2 Items of a batch are answered in their order, and a batch of none by none.
pub(super) async fn a_batch_is_answered_item_by_item(s: Fixture) -> Checked {
    let known = execution("f").dedup("known");
    s.create(at(0), known.clone()).await?;
    let batch = [
        execution("f"),
        execution("f").dedup("known"),
        known.clone(),
        execution("g").dedup("known"),
        execution("f").dedup("new"),
    ];
    let answers = s.dispatch(at(1), &batch).await?;
    let expected = [
        Dispatched::Created,
        Dispatched::Existing(known.id),
        Dispatched::Created,
        Dispatched::Conflict(known.id),
        Dispatched::Created,
    ];
    assert_eq!(answers, expected);
    let made = executions_of(&s.take_all(at(1)).await?);
    assert_eq!(made, [known.id, batch[0].id, batch[4].id], "`Existing` and `Conflict` make nothing");
    assert!(s.dispatch(at(1), &[]).await?.is_empty());
    Ok(())
}

/// C-Q1 Batches larger than a page or a step of retention are made whole.
pub(super) async fn a_large_batch_is_made_whole(s: Fixture) -> Checked {
    let batch = executions(2_500, "f");
    s.create_all(at(0), &batch).await?;
    assert_eq!(s.count_executions(&Default::default()).await?, 2_500);
    Ok(())
}

/// C-Q1 Due at exactly `now` is due; a microsecond later is scheduled.
pub(super) async fn a_root_that_is_not_due_is_scheduled(s: Fixture) -> Checked {
    let due = s.create(at(5), execution("f").due(at(5))).await?;
    let later = s.create(at(5), execution("f").due(at(5).after(TICK))).await?;
    assert_eq!(s.shown(due).await?, ExecutionState::Pending);
    assert_eq!(s.shown(later).await?, ExecutionState::Scheduled);
    assert_eq!(executions_of(&s.take_all(at(5)).await?), [due], "what is scheduled is not claimed before it is due");
    Ok(())
}

/// C-Q2 C-Y2 Everything that a dispatch says reaches the worker and the operator unchanged.
pub(super) async fn what_was_dispatched_is_what_is_claimed_and_shown(s: Fixture) -> Checked {
    let policy = RetryPolicy::builder().max_attempts(7).factor(1.5).retry_for(["Timeout", "PaymentError::Refused"]);
    let policy = policy.build().map_err(|error| Trouble::new(error.to_string()))?;
    let memo = Memo { key: fingerprint("memo"), mode: MemoMode::Cached { ttl: Some(secs(90)) } };
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = execution("f").queue("mail").tags(&["a", "b"]).priority(-3).version("2").input("in").retry(policy);
    let sent = sent.memo(memo).trace(trace).dedup("key").max_duration(secs(60)).due(at(1));
    s.create(at(2), sent.clone()).await?;

    let task = s.take_with(at(3), request().functions([has_version("f", "2")]).queues(&["mail"]).tags(&["b"])).await?;
    assert_eq!(task.claim.task, sent.id.root());
    assert_eq!((task.execution, task.parent, task.depth), (sent.id, None, 0));
    assert_eq!((&task.function, &task.version), (&sent.task.function, &sent.task.version));
    assert_eq!((&task.input, task.fingerprint), (&sent.task.input, sent.task.fingerprint));
    assert_eq!((&task.queue, task.memo, &task.trace), (&sent.task.queue, sent.task.memo, &sent.task.trace));
    assert_eq!(task.retry, *sent.task.retry, "C-Y2: the whole policy is stored, its classes included");

    let shown = s.execution(sent.id).await?.ok_or_else(|| Trouble::new("the execution is not shown"))?;
    assert_eq!((&shown.function, &shown.version, &shown.queue), (&task.function, &task.version, &task.queue));
    assert_eq!((shown.tags, shown.priority), (vec![tag("a"), tag("b")], -3));
    assert_eq!((shown.created_at, shown.started_at, shown.ended_at), (at(2), Some(at(3)), None));
    assert_eq!((shown.deadline, shown.dedup), (Some(at(61)), Some(dedup("key"))));
    Ok(())
}

/// C-Q2 Payloads are bytes: none, all 256, and as many as a limit allows.
pub(super) async fn payloads_of_any_bytes_come_back_unchanged(s: Fixture) -> Checked {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let large = vec![b'x'; limits::PAYLOAD];
    for bytes in [Vec::new(), every_byte, large] {
        let input = Payload::from(bytes);
        let task = s.start(at(0), execution("f").with(|task| task.input = input.clone())).await?;
        assert!(task.input == input, "an input of {} bytes is changed", input.len());
        let born = execution("f").with(|_| ());
        let born = stent_core::execution::NewExecution { born: Some(input.clone()), ..born };
        s.create(at(0), born.clone()).await?;
        assert!(
            s.outcome(born.id.root()).await? == Outcome::Completed(input.clone()),
            "a result of {} bytes is changed",
            input.len()
        );
    }
    Ok(())
}

/// C-Q1 C-X2 The ends of every range are stored as they are.
pub(super) async fn extreme_priorities_and_times_are_stored(s: Fixture) -> Checked {
    let low = s.create(at(0), execution("f").priority(i32::MIN).due(Timestamp::EPOCH)).await?;
    let high = s.create(at(0), execution("f").priority(i32::MAX)).await?;
    let never = s.create(at(0), execution("f").due(Timestamp::MAX).max_duration(limits::DURATION)).await?;
    assert_eq!(executions_of(&s.take_all(at(0)).await?), [high, low]);
    let shown = s.execution(never).await?.and_then(|record| record.deadline);
    assert_eq!(shown, Some(Timestamp::MAX), "a deadline past the last time is the last time");
    Ok(())
}

/// C-K3 The same key, function and input give the execution that bears the key, open or ended.
pub(super) async fn a_dedup_key_gives_the_existing_execution(s: Fixture) -> Checked {
    let first = execution("f").input("order 1").dedup("order-1");
    let task = s.start(at(0), first.clone()).await?;
    let again = || execution("f").input("order 1").priority(9).dedup("order-1");
    assert_eq!(s.dispatch(at(1), &[again()]).await?, [Dispatched::Existing(first.id)]);
    s.end(at(2), completed(task.claim, "done")).await?;
    assert_eq!(
        s.dispatch(at(3), &[again()]).await?,
        [Dispatched::Existing(first.id)],
        "C-X3: a dedup key lasts as long as its execution, not as long as it is open"
    );
    assert!(s.take_all(at(3)).await?.is_empty(), "`Existing` makes nothing");
    Ok(())
}

/// C-K3 The same key with another function or input is a conflict.
pub(super) async fn a_dedup_key_of_another_function_or_input_is_a_conflict(s: Fixture) -> Checked {
    let first = s.create(at(0), execution("f").input("one").dedup("key")).await?;
    let other_input = execution("f").input("two").dedup("key");
    let other_function = execution("g").input("one").dedup("key");
    let answers = s.dispatch(at(0), &[other_input.clone(), other_function]).await?;
    assert_eq!(answers, [Dispatched::Conflict(first), Dispatched::Conflict(first)]);
    assert_eq!(s.status(other_input.id).await?, ExecutionStatus::Unknown, "`Conflict` makes nothing");
    Ok(())
}

/// C-K3 An earlier item of the batch bears its key already.
pub(super) async fn a_dedup_key_is_known_within_its_batch(s: Fixture) -> Checked {
    let [first, same, other] =
        [execution("f").dedup("key"), execution("f").dedup("key"), execution("f").input("other").dedup("key")];
    let answers = s.dispatch(at(0), &[first.clone(), same, other]).await?;
    assert_eq!(answers, [Dispatched::Created, Dispatched::Existing(first.id), Dispatched::Conflict(first.id)]);
    assert_eq!(s.take_all(at(0)).await?.len(), 1);
    Ok(())
}

/// C-K3 Keys are compared byte by byte, and executions without one never meet.
pub(super) async fn dedup_keys_are_exact(s: Fixture) -> Checked {
    let keys = ["key", "Key", "key ", "kéy", "ke\u{301}y"];
    let batch: Vec<_> = keys.iter().map(|key| execution("f").dedup(key)).collect();
    s.create_all(at(0), &batch).await?;
    s.create_all(at(0), &executions(2, "f")).await?;
    Ok(())
}

/// C-X3 A key lasts as long as its execution: retention frees it.
pub(super) async fn retention_frees_a_dedup_key(s: Fixture) -> Checked {
    let task = s.start(at(0), execution("f").dedup("key")).await?;
    s.end(at(1), completed(task.claim, "done")).await?;
    while s.prune(at(10), at(5)).await?.more {}
    s.create(at(11), execution("g").dedup("key")).await?;
    Ok(())
}

/// C-K1 An execution whose result is known is born completed and never claimed.
pub(super) async fn an_execution_with_a_result_is_born_completed(s: Fixture) -> Checked {
    let born = s.create(at(4), execution("f").due(at(9)).max_duration(secs(1)).born("known")).await?;
    let ended = Ended { outcome: Outcome::Completed(payload("known")), at: at(4) };
    assert_eq!(s.status(born).await?, ExecutionStatus::Ended(ended));
    assert!(s.take_all(at(20)).await?.is_empty(), "what is born completed is never claimed");
    assert!(s.expire(at(20), 10).await?.is_empty(), "what is born completed has no deadline to pass");
    assert_eq!(s.shown(born).await?, ExecutionState::Completed);
    Ok(())
}

/// C-T3 The deadline counts from the scheduled start, not from the dispatch.
pub(super) async fn a_deadline_counts_from_the_scheduled_start(s: Fixture) -> Checked {
    let delayed = s.create(at(0), execution("f").due(at(100)).max_duration(secs(30))).await?;
    let unbounded = s.create(at(0), execution("f")).await?;
    let shortest = s.create(at(0), execution("f").max_duration(Duration::from_micros(1))).await?;
    let deadlines = [delayed, unbounded, shortest];
    let expected = [Some(at(130)), None, Some(at(0).after(TICK))];
    for (id, deadline) in deadlines.into_iter().zip(expected) {
        assert_eq!(s.execution(id).await?.and_then(|record| record.deadline), deadline);
    }
    Ok(())
}
