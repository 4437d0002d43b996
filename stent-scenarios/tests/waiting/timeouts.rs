//! Timeouts: bounds of waits and of calls (C-T1, C-T2).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_core::time::DurationTextError;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};

use crate::scene::{ExecutionError, class, hold, left, presence, runs, sleeps, states, suspended, tasks};

const MICROSECOND: Duration = Duration::from_micros(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A bound as a test gives it: nothing, a duration, or a text.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
enum Bound {
    None,
    For(Duration),
    Text(String),
    Negative,
}

/// Calls [`hold`] with a bound; gives its result or the class of its failure.
#[durable]
async fn bounded(ctx: Ctx, name: String, bound: Bound) -> Result<String> {
    let call = ctx.call(hold(name));
    let call = match bound {
        Bound::None => call.timeout(None),
        Bound::For(time) => call.timeout(time),
        Bound::Text(text) => call.timeout(text),
        Bound::Negative => call.timeout(-time::Duration::SECOND),
    };
    let ended = call.await.unwrap_or_else(|failure| failure.class().to_string());
    ctx.resource::<Ledger>()?.note(format!("bounded got {ended}"));
    Ok(ended)
}

/// C-T1: zero and none wait for ever, be it in memory or not.
async fn a_wait_without_a_bound_outlasts_any_time(bench: Bench) {
    let stent = bench.stent(functions![sleeps]).await;
    let _worker = bench.worker(stent.worker().concurrency(1)).await;
    let execution = stent.dispatch(sleeps("365d".into())).await.unwrap();
    suspended(&bench, &execution).await;
    let (zero, none) = (execution.clone(), execution.clone());
    let waits = tokio::spawn(async move { tokio::join!(zero.wait(Duration::ZERO), none.wait(None)) });
    bench.leap(364 * DAY).await;
    assert!(!waits.is_finished());
    bench.leap(DAY).await;
    let (zero, none) = soon("the results", waits).await.unwrap();
    assert_eq!((zero.unwrap(), none.unwrap()), (7, 7));
}

/// C-T1: not a microsecond earlier, and not later than what is next. C-T2.
async fn a_positive_bound_is_a_bound_and_leaves_the_execution_as_it_is(bench: Bench) {
    let stent = bench.stent(functions![hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    let wait = tokio::spawn({
        let execution = execution.clone();
        async move { execution.wait("5s").await }
    });
    bench.pass(Duration::from_secs(5) - MICROSECOND).await;
    assert!(!wait.is_finished());
    bench.pass(MICROSECOND).await;
    assert!(wait.is_finished());
    assert!(matches!(wait.await.unwrap(), Err(ExecutionError::Elapsed)));

    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    assert_eq!(presence(&bench, "it"), (1, 0));
    bench.gates.open("it");
    assert_eq!(soon("the result", execution.wait("5s")).await.unwrap(), "it");
    assert_eq!(presence(&bench, "it"), (1, 1));
}

/// C-T1, C-T2: also one that is longer than what it waits for, and one that begins when it has ended.
async fn a_wait_that_is_over_in_time_gives_the_result(bench: Bench) {
    let stent = bench.stent(functions![sleeps]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(sleeps("4s".into())).await.unwrap();
    assert_eq!(bench.until("the result", execution.wait("5s")).await.unwrap(), 7);
    assert_eq!(soon("the result", execution.wait(MICROSECOND)).await.unwrap(), 7);
    // Nobody is left behind by a wait that is dropped.
    drop(execution.wait("5s"));
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 7);
}

/// C-T1: negative and overflowing bounds, and texts that are none, are refused before anything waits.
async fn a_bound_that_is_no_duration_is_refused_by_who_waits(bench: Bench) {
    let stent = bench.stent(functions![sleeps]).await;
    let execution = stent.dispatch(sleeps("1h".into())).await.unwrap();
    let refused = |ended: Result<u32, ExecutionError>| match ended {
        Err(ExecutionError::InvalidTimeout(error)) => error,
        other => panic!("{other:?}"),
    };
    let calls = bench.plan.count();
    assert_eq!(refused(execution.wait(-time::Duration::NANOSECOND).await), DurationTextError::Negative);
    assert_eq!(refused(execution.wait(time::Duration::MIN).await), DurationTextError::Negative);
    assert_eq!(refused(execution.wait(time::Duration::MAX).await), DurationTextError::TooLong);
    assert_eq!(refused(execution.wait(Duration::MAX).await), DurationTextError::TooLong);
    assert_eq!(refused(execution.wait(Some(Duration::MAX)).await), DurationTextError::TooLong);
    assert_eq!(refused(execution.wait("99999999999999999999d").await), DurationTextError::TooLong);
    assert_eq!(refused(execution.wait("36526d").await), DurationTextError::TooLong);
    for text in ["", "5", "-5s", "1x", "inf", "NaN", "1e400s", "９s"] {
        assert_eq!(refused(execution.wait(text).await), DurationTextError::Malformed, "{text}");
    }
    assert_eq!(bench.plan.count(), calls, "nothing was asked of the store");
}

/// C-T1: the same bounds for a call.
async fn a_call_without_a_bound_outlasts_any_time(bench: Bench) {
    for bound in [Bound::None, Bound::For(Duration::ZERO), Bound::Text("0s".into())] {
        let bench = bench.another();
        let stent = bench.stent(functions![bounded, sleeps, hold]).await;
        let _worker = bench.worker(stent.worker()).await;
        let execution = stent.dispatch(bounded("child".into(), bound)).await.unwrap();
        suspended(&bench, &execution).await;
        bench.pass(Duration::from_secs(60)).await;
        assert_eq!(states(&stent, execution.id()).await, [TaskState::Suspended, TaskState::Running]);
        bench.gates.open("child");
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), "child");
    }
}

/// C-T1, C-R9: it elapses at its time, in memory or suspended; the child is cancelled, its code dropped, and the caller goes on.
async fn a_call_elapses_at_its_bound_and_its_child_is_cancelled(bench: Bench) {
    for bound in [5, 50] {
        let bench = bench.another();
        let stent = bench.stent(functions![bounded, hold]).await;
        // One place for the child, one for the caller if it was suspended.
        let _worker = bench.worker(stent.worker().concurrency(2)).await;
        let call = bounded("child".into(), Bound::For(Duration::from_secs(bound)));
        let execution = stent.dispatch(call).await.unwrap();
        bench.pass(Duration::from_secs(bound) - MICROSECOND).await;
        assert_eq!(presence(&bench, "child"), (1, 0));
        assert_eq!(tasks(&stent, execution.id()).await[1].state, TaskState::Running);
        bench.pass(MICROSECOND).await;
        left(&bench, "child").await;
        assert_eq!(soon("the result", execution.result()).await.unwrap(), ErrorClass::ELAPSED);
        assert_eq!(states(&stent, execution.id()).await, [TaskState::Completed, TaskState::Cancelled]);
        assert_eq!(bench.ledger.count("child ended"), 0);
    }
}

/// C-T1: and nothing comes of it later.
async fn a_child_that_ends_in_time_gives_its_result(bench: Bench) {
    let stent = bench.stent(functions![bounded, hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let call = bounded("child".into(), Bound::For(Duration::from_secs(5)));
    let execution = stent.dispatch(call).await.unwrap();
    bench.pass(Duration::from_secs(5) - MICROSECOND).await;
    bench.gates.open("child");
    bench.settle().await;
    bench.pass(Duration::from_secs(60)).await;
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "child");
    assert_eq!(states(&stent, execution.id()).await, [TaskState::Completed, TaskState::Completed]);
}

/// C-T1: refused where they are given; no child is made.
async fn a_bound_that_is_no_duration_is_refused_by_the_call(bench: Bench) {
    let stent = bench.stent(functions![bounded, hold]).await;
    let _worker = bench.worker(stent.worker()).await;
    let texts = ["", "-5s", "NaN", "36526d", "1x"].map(|text| Bound::Text(text.into()));
    for bound in texts.into_iter().chain([Bound::Negative, Bound::For(Duration::MAX)]) {
        let execution = stent.dispatch(bounded("child".into(), bound.clone())).await.unwrap();
        let ended = soon("the result", execution.result()).await.unwrap();
        assert_eq!(ended, ErrorClass::INVALID_CALL, "{bound:?}");
        assert_eq!(states(&stent, execution.id()).await, [TaskState::Completed], "{bound:?}");
    }
}

/// C-T1: a crash begins no bound anew.
async fn the_bound_of_a_call_counts_on_over_a_crash(bench: Bench) {
    let functions = || functions![bounded, hold];
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let call = bounded("child".into(), Bound::For(Duration::from_secs(60)));
    let execution = first.stent.dispatch(call).await.unwrap().id();
    bench.pass(Duration::from_secs(5)).await;
    first.die(&bench).await;
    bench.leap(Duration::from_secs(30)).await;
    let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    bench.pass(Duration::from_secs(25) - MICROSECOND).await;
    assert_eq!(bench.ledger.count("bounded got Elapsed"), 0);
    bench.pass(MICROSECOND).await;
    let execution = second.stent.execution::<String>(execution);
    assert_eq!(soon("the result", execution.result()).await.unwrap(), ErrorClass::ELAPSED);
}

/// C-R9: an elapsed bound is journaled: whatever comes of the child later, a replay gets the same.
async fn a_call_that_has_elapsed_elapses_in_every_replay(bench: Bench) {
    #[durable]
    async fn twice(ctx: Ctx) -> Result<Vec<String>> {
        let first =
            ctx.call(hold("first".into())).timeout("5s").await.unwrap_or_else(|error| error.class().to_string());
        let second = ctx.call(hold("second".into())).await?;
        Ok(vec![first, second])
    }
    let functions = || functions![twice, hold];
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let execution = first.stent.dispatch(twice()).await.unwrap().id();
    bench.pass(Duration::from_secs(6)).await;
    // Its caller goes on; the child and its code do not.
    left(&bench, "first").await;
    let before = states(&first.stent, execution).await;
    assert_eq!(before[0], TaskState::Running);
    assert_eq!(before.iter().filter(|state| **state == TaskState::Cancelled).count(), 1, "{before:?}");
    assert_eq!(presence(&bench, "second"), (1, 0));
    first.die(&bench).await;
    bench.gates.open("first");
    bench.gates.open("second");
    let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let result = bench.until("the result", second.stent.execution::<Vec<String>>(execution).result()).await;
    assert_eq!(result.unwrap(), [ErrorClass::ELAPSED, "second"]);
    assert_eq!(bench.ledger.count("first ended"), 0);
}

/// C-T1: bounds count from the making, however late the turn that makes comes.
async fn a_late_turn_shortens_no_bound(bench: Bench) {
    #[durable]
    async fn late(ctx: Ctx) -> Result<(String, Option<u32>)> {
        ctx.sleep("1m").await?;
        let called = ctx.call(hold("child".into())).timeout("10m").await?;
        let signalled = ctx.signal("go").timeout("10m").await?;
        Ok((called, signalled))
    }
    let functions = || functions![late, hold];
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(late()).await.unwrap().id();
    suspended(&bench, &first.stent.execution::<()>(id)).await;
    first.die(&bench).await;
    // Nobody is there for an hour.
    bench.leap(HOUR).await;
    let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    bench.pass(MINUTE).await;
    bench.gates.open("child");
    bench.pass(9 * MINUTE).await;
    let execution = second.stent.execution::<(String, Option<u32>)>(id);
    execution.signal("go", &7).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), ("child".to_owned(), Some(7)));
}

/// C-T1, C-Y5: a call that has elapsed is asked again when it is redriven, with its whole bound.
async fn a_redrive_gives_a_call_its_bound_anew(bench: Bench) {
    #[durable(retry(max_attempts = 1))]
    async fn bounded(ctx: Ctx) -> Result<String> {
        ctx.call(hold("child".into())).timeout("1h").await
    }
    let functions = || functions![bounded, hold];
    let process = bench.process(functions()).await.work(&bench, |worker| worker.lease("5m")).await;
    let execution = process.stent.dispatch(bounded()).await.unwrap();
    for _ in 0..2 {
        let begun = bench.now();
        assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::ELAPSED);
        assert_eq!(bench.now(), begun.after(HOUR));
        execution.redrive().await.unwrap();
    }
    assert!(bench.dead_letters().await.is_empty());
    // Over a crash it counts from the redrive, too.
    bench.pass(30 * MINUTE).await;
    process.die(&bench).await;
    let second = bench.process(functions()).await.work(&bench, |worker| worker.lease("5m")).await;
    bench.pass(29 * MINUTE).await;
    let execution = second.stent.execution::<String>(execution.id());
    bench.gates.open("child");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), "child");
    assert_eq!(states(&second.stent, execution.id()).await, [TaskState::Completed; 2], "the child is the same");
}

on_every_backend![
    a_late_turn_shortens_no_bound,
    a_redrive_gives_a_call_its_bound_anew,
    a_wait_without_a_bound_outlasts_any_time,
    a_positive_bound_is_a_bound_and_leaves_the_execution_as_it_is,
    a_wait_that_is_over_in_time_gives_the_result,
    a_bound_that_is_no_duration_is_refused_by_who_waits,
    a_call_without_a_bound_outlasts_any_time,
    a_call_elapses_at_its_bound_and_its_child_is_cancelled,
    a_child_that_ends_in_time_gives_its_result,
    a_bound_that_is_no_duration_is_refused_by_the_call,
    the_bound_of_a_call_counts_on_over_a_crash,
    a_call_that_has_elapsed_elapses_in_every_replay,
];
