//! Deadlines of executions (C-T3).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_core::time::DurationTextError;
use stent_executor::prelude::*;
use stent_executor::{InvalidCall, Stent, StentError};
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};

use crate::scene::{ExecutionError, calls, class, client, hold, left, presence, runs, sleeps, states, waits};

const MICROSECOND: Duration = Duration::from_micros(1);

/// What becomes of an execution whose deadline is in 10 s: still open shortly before, timed out at it, and all that was open below cancelled.
async fn times_out_at_its_deadline<T: serde::de::DeserializeOwned + std::fmt::Debug>(
    bench: &Bench,
    stent: &Stent,
    execution: stent_core::ExecutionId,
    left: Duration,
    before: &[TaskState],
) {
    bench.pass(left - MICROSECOND).await;
    assert_eq!(states(stent, execution).await, before);
    // Within a second, whoever has to learn of it.
    bench.pass(Duration::from_secs(1)).await;
    let mut after = vec![TaskState::Cancelled; before.len()];
    after[0] = TaskState::TimedOut;
    assert_eq!(states(stent, execution).await, after);
    let execution = stent.execution::<T>(execution);
    assert_eq!(execution.status().await.unwrap(), ExecutionState::TimedOut);
    // B48
    assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::TimedOut)));
    assert_eq!(stent.backend().count_dead_letters(&Default::default()).await.unwrap(), 0);
}

/// C-T3, B48: its code is dropped, and that of its children.
async fn a_deadline_ends_running_work_and_drops_its_code(bench: Bench) {
    let stent = bench.stent(functions![calls, hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let root = stent.dispatch(hold("root".into()).max_duration("10s")).await.unwrap().id();
    times_out_at_its_deadline::<String>(&bench, &stent, root, Duration::from_secs(10), &[TaskState::Running]).await;
    left(&bench, "root").await;

    let tree = stent.dispatch(calls("leaf".into()).max_duration("10s")).await.unwrap().id();
    let before = [TaskState::Running, TaskState::Running];
    times_out_at_its_deadline::<String>(&bench, &stent, tree, Duration::from_secs(10), &before).await;
    left(&bench, "leaf").await;
    bench.gates.open("leaf");
    bench.pass(Duration::from_secs(5)).await;
    assert_eq!((bench.ledger.count("leaf ended"), bench.ledger.count("root ended")), (0, 0));
}

/// C-T3: another worker's code, in another process.
async fn a_deadline_ends_code_that_runs_elsewhere(bench: Bench) {
    let first = bench.process(functions![hold]).await.work(&bench, |worker| worker.concurrency(1)).await;
    let execution = first.stent.dispatch(hold("it".into()).max_duration("10s")).await.unwrap().id();
    runs(&bench, "it").await;
    assert_eq!(presence(&bench, "it"), (1, 0));
    let second = bench.process(functions![sleeps]).await.work(&bench, |worker| worker).await;
    times_out_at_its_deadline::<String>(
        &bench,
        &second.stent,
        execution,
        Duration::from_secs(10),
        &[TaskState::Running],
    )
    .await;
    bench.pass(Duration::from_secs(4)).await;
    left(&bench, "it").await;
}

/// C-T3, B45: by a worker that has neither the function nor a free place, in another process, and never heard of it.
async fn a_deadline_ends_work_that_no_worker_holds(bench: Bench) {
    for is_full in [false, true] {
        let bench = bench.another();
        let other = bench.deaf_process(functions![hold]).await.work(&bench, |worker| worker.concurrency(1)).await;
        if is_full {
            other.stent.dispatch(hold("other".into())).await.unwrap();
        }
        bench.pass(Duration::from_secs(3)).await;
        let client = client(&bench).await;
        let execution = client.dispatch(sleeps("1h".into()).max_duration("10s")).await.unwrap().id();
        times_out_at_its_deadline::<u32>(&bench, &client, execution, Duration::from_secs(10), &[TaskState::Pending])
            .await;
        assert_eq!(presence(&bench, "other").1, 0);
    }
}

/// C-T3: nobody is there when it passes; the first worker that lives ends it at once, and runs nothing of it.
async fn a_deadline_that_passed_while_nobody_lived_is_applied_by_the_first(bench: Bench) {
    let client = client(&bench).await;
    let execution = client.dispatch(hold("it".into()).max_duration("10s")).await.unwrap();
    bench.leap(Duration::from_secs(60)).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Pending);
    let _worker = bench.process(functions![sleeps]).await.work(&bench, |worker| worker).await;
    bench.pass(Duration::from_secs(1)).await;
    assert!(matches!(soon("the end", execution.result()).await, Err(ExecutionError::TimedOut)));
}

/// C-T3: a tree of which nobody holds anything in memory.
async fn a_deadline_ends_suspended_work(bench: Bench) {
    #[durable]
    async fn above(ctx: Ctx) -> Result<u32> {
        try_join!(ctx.call(waits()), ctx.call(sleeps("1h".into()))).map(|(waited, slept)| waited + slept)
    }
    let stent = bench.stent(functions![above, waits, sleeps]).await;
    let _worker = bench.worker(stent.worker().suspend_after("0s")).await;
    let execution = stent.dispatch(above().max_duration("10s")).await.unwrap().id();
    times_out_at_its_deadline::<u32>(&bench, &stent, execution, Duration::from_secs(10), &[TaskState::Suspended; 3])
        .await;
    assert_eq!(presence(&bench, "waits"), (1, 1));
}

/// C-T3: from the time that it was scheduled for, not from its dispatch and not from when a worker took it.
async fn a_deadline_counts_from_the_scheduled_start(bench: Bench) {
    let stent = bench.stent(functions![hold]).await;
    let delayed = hold("it".into()).delay("1h").max_duration("10s");
    let execution = stent.dispatch(delayed).await.unwrap();
    bench.leap(Duration::from_secs(3_600 + 4)).await;
    let _worker = bench.worker(stent.worker()).await;
    bench.settle().await;
    assert_eq!(presence(&bench, "it"), (1, 0));
    times_out_at_its_deadline::<String>(&bench, &stent, execution.id(), Duration::from_secs(6), &[TaskState::Running])
        .await;
}

/// C-T3: a delay of its own ends before work begins, also if the delay is longer.
async fn delayed_work_is_not_timed_out_while_it_waits_for_its_start(bench: Bench) {
    let stent = bench.stent(functions![hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(hold("it".into()).delay("1m").max_duration("10s")).await.unwrap();
    bench.pass(Duration::from_secs(60) - MICROSECOND).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Scheduled);
    bench.pass(MICROSECOND).await;
    assert_eq!(presence(&bench, "it"), (1, 0));
    times_out_at_its_deadline::<String>(&bench, &stent, execution.id(), Duration::from_secs(10), &[TaskState::Running])
        .await;
}

/// C-T3, B46: leftovers of an execution that ended in time change nothing when its deadline comes.
async fn an_execution_that_ended_in_time_stays_as_it_ended(bench: Bench) {
    let stent = bench.stent(functions![sleeps, hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let completed = stent.dispatch(sleeps("1s".into()).max_duration("10s")).await.unwrap();
    let cancelled = stent.dispatch(hold("it".into()).max_duration("10s")).await.unwrap();
    bench.pass(Duration::from_secs(2)).await;
    cancelled.cancel().await.unwrap();
    bench.pass(Duration::from_secs(20)).await;
    assert_eq!(completed.status().await.unwrap(), ExecutionState::Completed);
    assert_eq!(cancelled.status().await.unwrap(), ExecutionState::Cancelled);
}

/// C-T3, B47: an error of the function's own is no deadline, whatever it is called.
async fn an_error_that_says_timeout_is_no_deadline(bench: Bench) {
    #[durable(retry(max_attempts = 2))]
    async fn slow_socket(ctx: Ctx, error: String) -> Result<()> {
        ctx.resource::<Ledger>()?.note("tried");
        match error.as_str() {
            "io" => Err(std::io::Error::from(std::io::ErrorKind::TimedOut))?,
            "tokio" => tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await?,
            class => Err(Failure::new(ErrorClass::new(class)?, "it took too long"))?,
        }
        Ok(())
    }
    let stent = bench.stent(functions![slow_socket]).await;
    let _worker = bench.worker(stent.worker()).await;
    for (number, error) in ["io", "tokio", "TimedOut", "Elapsed"].into_iter().enumerate() {
        let execution = stent.dispatch(slow_socket(error.into()).max_duration("1h")).await.unwrap();
        let ended = bench.until("the end", execution.result()).await;
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Failed, "{error}");
        assert_ne!(class(ended), "", "{error}");
        assert_eq!(bench.ledger.count("tried"), 2 * (number + 1), "it is retried: {error}");
        assert_eq!(stent.dead_letter(execution.id().root()).await.unwrap().task, execution.id().root());
    }
}

/// C-T3: the bound is checked where it is given; none and zero are no bound.
async fn a_max_duration_is_a_bound_or_refused(bench: Bench) {
    let stent = bench.stent(functions![sleeps]).await;
    let call = || sleeps("1h".into());
    let deadline = async |call| {
        let id = stent.dispatch(call).await.unwrap().id();
        stent.backend().execution(id).await.unwrap().unwrap().deadline
    };
    let in_ten = Some(bench.now().after(Duration::from_secs(10)));
    assert_eq!(deadline(call()).await, None);
    assert_eq!(deadline(call().max_duration(None)).await, None);
    assert_eq!(deadline(call().max_duration("0s")).await, None);
    assert_eq!(deadline(call().max_duration("10s")).await, in_ten);
    assert_eq!(deadline(call().max_duration(Some(Duration::from_secs(10)))).await, in_ten);
    let refused = |error| match error {
        StentError::Call(InvalidCall::Duration { field: "max_duration", error }) => error,
        other => panic!("{other}"),
    };
    let negative = call().max_duration(-time::Duration::SECOND);
    assert_eq!(refused(stent.dispatch(negative).await.unwrap_err()), DurationTextError::Negative);
    let overflowing = call().max_duration(Duration::MAX);
    assert_eq!(refused(stent.dispatch(overflowing).await.unwrap_err()), DurationTextError::TooLong);
    let delayed = call().delay("36525d").max_duration("36525d");
    assert!(deadline(delayed).await > in_ten, "the sum of the two longest durations does not wrap");
}

/// C-T3: the option of the function holds for its executions, and a call's own takes its place.
async fn a_function_may_bear_the_bound(bench: Bench) {
    #[durable(max_duration = "10s")]
    async fn brief(ctx: Ctx) -> Result<u32> {
        ctx.signal("go").await
    }
    #[durable]
    async fn above(ctx: Ctx) -> Result<u32> {
        ctx.call(brief()).await
    }
    let stent = bench.stent(functions![brief, above]).await;
    let _worker = bench.worker(stent.worker()).await;
    let its_own = stent.dispatch(brief()).await.unwrap();
    let the_calls = stent.dispatch(brief().max_duration("20s")).await.unwrap();
    let child = stent.dispatch(above()).await.unwrap();
    bench.pass(Duration::from_secs(11)).await;
    assert_eq!(its_own.status().await.unwrap(), ExecutionState::TimedOut);
    assert_eq!(the_calls.status().await.unwrap(), ExecutionState::Suspended);
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(the_calls.status().await.unwrap(), ExecutionState::TimedOut);
    // A child's time is its execution's.
    assert_eq!(child.status().await.unwrap(), ExecutionState::Suspended);
}

/// C-T3, B48: whoever waits learns of it as a typed end, in every process, also with a bound of the wait.
async fn a_deadline_wakes_who_waits_with_a_typed_end(bench: Bench) {
    let stent = bench.stent(functions![hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let other = client(&bench).await;
    let execution = stent.dispatch(hold("it".into()).max_duration("10s")).await.unwrap();
    let waits = [stent.execution::<String>(execution.id()), other.execution(execution.id())]
        .map(|execution| tokio::spawn(async move { tokio::join!(execution.result(), execution.wait("1h")) }));
    bench.pass(Duration::from_secs(10)).await;
    for wait in waits {
        let ends = soon("the end", wait).await.unwrap();
        assert!(matches!(ends, (Err(ExecutionError::TimedOut), Err(ExecutionError::TimedOut))), "{ends:?}");
    }
}

on_every_backend![
    a_deadline_ends_running_work_and_drops_its_code,
    a_deadline_ends_code_that_runs_elsewhere,
    a_deadline_ends_work_that_no_worker_holds,
    a_deadline_that_passed_while_nobody_lived_is_applied_by_the_first,
    a_deadline_ends_suspended_work,
    a_deadline_counts_from_the_scheduled_start,
    delayed_work_is_not_timed_out_while_it_waits_for_its_start,
    an_execution_that_ended_in_time_stays_as_it_ended,
    an_error_that_says_timeout_is_no_deadline,
    a_max_duration_is_a_bound_or_refused,
    a_function_may_bear_the_bound,
    a_deadline_wakes_who_waits_with_a_typed_end,
];
