//! Cancellation: final, atomic, and known to everybody (C-X1); and one kind of time from one clock (C-X2).

use std::time::Duration;

use stent_core::backend::Page;
use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Stent, StentError};
use stent_scenarios::{Bench, Ledger, on_every_backend, soon};
use stent_testkit::faulty::Moment;

use crate::scene::{
    Execution, ExecutionError, LEASE, Presence, at_every_call, calls, client, freeze, hold, left, presence, runs,
    sleeps, states, suspended, tasks, thaw_after, waits,
};

const SECOND: Duration = Duration::from_secs(1);

/// Notes steps, a second after another, and counts them, until it is told to stop.
#[durable]
async fn ticks(ctx: Ctx) -> Result<u32> {
    let _presence = Presence::new(&ctx, "ticks")?;
    let ledger = ctx.resource::<Ledger>()?;
    loop {
        ctx.step("tick", async || {
            ledger.note("tick");
            Ok::<_, Failure>(())
        })
        .await?;
        ctx.counter("ticks")?.add(1)?;
        ctx.sleep("1s").await?;
    }
}

/// A tree of five, three levels deep: one that runs, one that is suspended, one that is delayed, and what is above them.
#[durable]
async fn tree(ctx: Ctx) -> Result<()> {
    let below = ctx.call(calls("leaf".into()));
    let sleeper = ctx.call(sleeps("1h".into()));
    let delayed = ctx.call(sleeps("0s".into()).delay("1h"));
    try_join!(below, sleeper, delayed)?;
    ctx.resource::<Ledger>()?.note("the tree ended");
    Ok(())
}

async fn ends_cancelled<T: serde::de::DeserializeOwned + std::fmt::Debug>(execution: &Execution<T>) {
    let ended = soon("the end", execution.result()).await;
    assert!(matches!(ended, Err(ExecutionError::Cancelled)), "{ended:?}");
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Cancelled);
}

/// C-X1: at once where the cancel was made, by a heartbeat elsewhere.
async fn a_cancel_drops_running_code(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker).await;
    let client = client(&bench).await;
    for (name, canceller) in [("here", &process.stent), ("elsewhere", &client)] {
        let execution = process.stent.dispatch(hold(name.into())).await.unwrap();
        runs(&bench, name).await;
        canceller.cancel(execution.id()).await.unwrap();
        ends_cancelled(&execution).await;
        if name == "elsewhere" {
            bench.pass(LEASE / 3).await;
        }
        left(&bench, name).await;
        bench.gates.open(name);
        bench.pass(30 * SECOND).await;
        assert_eq!(bench.ledger.count(&format!("{name} ended")), 0);
        assert_eq!(presence(&bench, name), (1, 1));
    }
}

/// C-X1: a process without hints knows of its own cancels at once, and of those of others with its next renewal.
async fn without_hints_a_heartbeat_tells_of_it(bench: Bench) {
    let process = bench.deaf_process(functions![hold]).await.work(&bench, |worker| worker).await;
    let own = process.stent.dispatch(hold("own".into())).await.unwrap();
    runs(&bench, "own").await;
    own.cancel().await.unwrap();
    left(&bench, "own").await;

    let others = process.stent.dispatch(hold("others".into())).await.unwrap();
    runs(&bench, "others").await;
    client(&bench).await.cancel(others.id()).await.unwrap();
    bench.pass(LEASE / 3).await;
    left(&bench, "others").await;
}

/// C-X1: whatever is open, on whichever worker, at every depth; in one transaction.
async fn a_cancel_reaches_everything_below(bench: Bench) {
    let functions = || functions![tree, calls, hold, sleeps];
    let first = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after("1s")).await;
    let _second = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after("1s")).await;
    let execution = first.stent.dispatch(tree()).await.unwrap();
    bench.pass(5 * SECOND).await;
    let mut before = states(&first.stent, execution.id()).await;
    before.sort_by_key(|state| state.as_str());
    use TaskState::{Running, Scheduled, Suspended};
    assert_eq!(before, [Running, Scheduled, Suspended, Suspended, Suspended]);

    execution.cancel().await.unwrap();
    let after = tasks(&first.stent, execution.id()).await;
    assert!(
        after.iter().all(|task| task.state == TaskState::Cancelled && task.ended_at == Some(bench.now())),
        "{after:?}"
    );
    bench.pass(LEASE / 3).await;
    left(&bench, "leaf").await;
    bench.gates.open("leaf");
    bench.leap(2 * 3_600 * SECOND).await;
    bench.pass(10 * SECOND).await;
    assert_eq!((bench.ledger.count("leaf ended"), bench.ledger.count("the tree ended")), (0, 0));
    ends_cancelled(&execution).await;
    assert_eq!(bench.dead_letters().await, [], "what was cancelled is no dead letter");
}

/// C-X1, C-X3: an execution that has not begun never does.
async fn what_has_not_begun_never_does(bench: Bench) {
    let stent = bench.stent(functions![hold]).await;
    let pending = stent.dispatch(hold("it".into())).await.unwrap();
    let delayed = stent.dispatch(hold("it".into()).delay("5s")).await.unwrap();
    for execution in [&pending, &delayed] {
        execution.cancel().await.unwrap();
    }
    let _worker = bench.worker(stent.worker()).await;
    bench.pass(10 * SECOND).await;
    assert_eq!(presence(&bench, "it"), (0, 0));
    ends_cancelled(&pending).await;
    ends_cancelled(&delayed).await;
}

/// C-X1: by whoever, however often; other ends are not undone, and the error says which.
async fn a_cancel_may_be_repeated(bench: Bench) {
    let stent = bench.stent(functions![waits, sleeps]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(waits()).await.unwrap();
    bench.settle().await;
    for canceller in [&stent, &stent, &client(&bench).await] {
        canceller.cancel(execution.id()).await.unwrap();
        bench.pass(SECOND).await;
    }
    let ended_at = tasks(&stent, execution.id()).await[0].ended_at.unwrap();
    assert_eq!(bench.now().since(ended_at), 3 * SECOND, "the first one stands");

    let completed = stent.dispatch(sleeps("0s".into())).await.unwrap();
    soon("the result", completed.result()).await.unwrap();
    let error = completed.cancel().await.unwrap_err();
    assert!(matches!(error, StentError::AlreadyFinal { state: ExecutionState::Completed, .. }), "{error}");
    assert_eq!(soon("the result", completed.result()).await.unwrap(), 7);
}

/// C-X1: whoever waits, in this process and in others, with and without a bound.
async fn a_cancel_wakes_who_waits(bench: Bench) {
    let stent = bench.stent(functions![waits]).await;
    let _worker = bench.worker(stent.worker()).await;
    let others = [client(&bench).await, bench.deaf_process(functions![waits]).await.stent];
    let execution = stent.dispatch(waits()).await.unwrap();
    suspended(&bench, &execution).await;
    let waits: Vec<_> = others
        .iter()
        .chain([&stent])
        .map(|client| client.execution::<u32>(execution.id()))
        .map(|execution| tokio::spawn(async move { tokio::join!(execution.result(), execution.wait("1d")) }))
        .collect();
    bench.settle().await;
    execution.cancel().await.unwrap();
    // The deaf one looks every second.
    bench.pass(SECOND).await;
    for wait in waits {
        let ends = soon("the end", wait).await.unwrap();
        assert!(matches!(ends, (Err(ExecutionError::Cancelled), Err(ExecutionError::Cancelled))), "{ends:?}");
    }
    // Its own cancels it knows of without looking.
    let [_, deaf] = others;
    let own = deaf.dispatch(crate::scene::waits()).await.unwrap();
    let (ended, cancelled) = tokio::join!(ends_cancelled(&own), async {
        bench.settle().await;
        own.cancel().await
    });
    assert_eq!((ended, cancelled.unwrap()), ((), ()));
}

/// C-X1, B41: one that waits for a signal does not go on, in memory or suspended, and takes none afterwards.
async fn a_cancelled_wait_does_not_go_on(bench: Bench) {
    for in_memory in [true, false] {
        let bench = bench.another();
        let stent = bench.stent(functions![waits]).await;
        let _worker = bench.worker(stent.worker()).await;
        let execution = stent.dispatch(waits()).await.unwrap();
        bench.pass(if in_memory { SECOND } else { 15 * SECOND }).await;
        assert_eq!(presence(&bench, "waits"), (1, usize::from(!in_memory)));
        execution.cancel().await.unwrap();
        let error = execution.signal("go", &1).await.unwrap_err();
        assert!(matches!(error, StentError::AlreadyFinal { state: ExecutionState::Cancelled, .. }), "{error}");
        left(&bench, "waits").await;
        bench.pass(30 * SECOND).await;
        ends_cancelled(&execution).await;
        assert_eq!(bench.ledger.all(), ["waits began", "waits left"]);
    }
}

/// C-X1: of what it was at, nothing more is written: no entry, no child, no change of a variable, no end.
async fn nothing_more_is_written_after_a_cancel(bench: Bench) {
    async fn written(bench: &Bench, stent: &Stent, execution: &Execution<u32>) -> (usize, String, usize) {
        let backend = stent.backend();
        let journal = backend.list_journal(execution.id().root(), Page::first(1_000)).await.unwrap();
        let variables = backend.read(execution.id()).await.unwrap();
        (journal.len(), format!("{variables:?}"), bench.tasks(execution.id()).await.len())
    }
    at_every_call(&bench, async |bench, moment| {
        let process = bench.process(functions![ticks]).await.work(&bench, |worker| worker.lease("1h")).await;
        let client = client(&bench).await;
        freeze(&process, moment);
        let execution = client.dispatch(ticks()).await.unwrap();
        bench.pass(Duration::from_millis(6_500)).await;
        let mut at_the_cancel = None;
        let is_frozen = thaw_after(&process, async {
            execution.cancel().await.unwrap();
            at_the_cancel = Some(written(&bench, &client, &execution).await);
        })
        .await;
        bench.pass(5 * SECOND).await;
        bench.sees("its code is dropped", || presence(&bench, "ticks").0 == presence(&bench, "ticks").1).await;
        let ticks = bench.ledger.count("tick");
        bench.pass(5 * SECOND).await;
        assert_eq!(Some(written(&bench, &client, &execution).await), at_the_cancel, "{moment:?}");
        assert_eq!(bench.ledger.count("tick"), ticks);
        ends_cancelled(&execution).await;
        is_frozen
    })
    .await;
}

/// C-X1, C-X3: a cancel that meets the end of the code: whichever is first stands, for everybody and for ever.
async fn a_cancel_and_an_end_agree_on_who_was_first(bench: Bench) {
    at_every_call(&bench, async |bench, moment| {
        let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.lease("1h")).await;
        let client = client(&bench).await;
        let execution = client.dispatch(hold("it".into())).await.unwrap();
        runs(&bench, "it").await;
        freeze(&process, moment);
        bench.gates.open("it");
        bench.pass(SECOND).await;
        let mut cancelled = None;
        let is_frozen = thaw_after(&process, async { cancelled = Some(execution.cancel().await) }).await;
        bench.pass(5 * SECOND).await;
        let ended = bench.until("the end", execution.result()).await;
        match cancelled.unwrap() {
            Ok(()) => assert!(matches!(ended, Err(ExecutionError::Cancelled)), "{moment:?} {ended:?}"),
            Err(StentError::AlreadyFinal { state: ExecutionState::Completed, .. }) => assert_eq!(ended.unwrap(), "it"),
            Err(error) => panic!("{moment:?} {error}"),
        }
        // It ended when it was asked to, whatever became of the write.
        is_frozen
    })
    .await;
}

/// C-X1: code whose worker has not heard of the cancel may run to its end; that end is not written.
async fn an_outcome_that_comes_after_a_cancel_is_dropped(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.lease("1h")).await;
    let client = client(&bench).await;
    let execution = client.dispatch(hold("it".into())).await.unwrap();
    runs(&bench, "it").await;
    freeze(&process, (1, Moment::Before));
    execution.cancel().await.unwrap();
    bench.gates.open("it");
    bench.pass(SECOND).await;
    assert_eq!(bench.ledger.count("it ended"), 1);
    assert!(thaw_after(&process, async {}).await);
    bench.sees("the end is written", || process.plan.calls().contains(&"complete")).await;
    bench.pass(SECOND).await;
    ends_cancelled(&execution).await;
    assert_eq!(tasks(&client, execution.id()).await[0].sizes.1, 0, "there is no result");
}

/// C-X2: whatever time is stored or given is the clock's; the machine's own is decades away.
async fn every_time_is_the_clocks(bench: Bench) {
    #[durable]
    async fn times(ctx: Ctx) -> Result<Vec<stent_core::Timestamp>> {
        let first = ctx.now();
        ctx.sleep("20s").await?;
        let second = ctx.now();
        ctx.signal::<()>("go").await?;
        Ok(vec![first, second, ctx.now()])
    }
    let begun = bench.now();
    let stent = bench.stent(functions![times]).await;
    let worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(times().delay("5s").max_duration("1h")).await.unwrap();
    bench.pass(30 * SECOND).await;
    execution.signal("go", &()).await.unwrap();
    bench.pass(3 * SECOND).await;
    let seconds = |at: stent_core::Timestamp| at.since(begun).as_secs_f64();
    let times = bench.until("the result", execution.result()).await.unwrap();
    assert_eq!(times.into_iter().map(seconds).collect::<Vec<_>>(), [5.0, 25.0, 30.0]);
    let record = stent.backend().execution(execution.id()).await.unwrap().unwrap();
    assert_eq!(
        [record.created_at, record.started_at.unwrap(), record.ended_at.unwrap()].map(seconds),
        [0.0, 5.0, 30.0]
    );
    assert_eq!(record.deadline.map(seconds), Some(3_605.0));
    let entries = stent.backend().list_journal(execution.id().root(), Page::first(100)).await.unwrap();
    assert!(entries.iter().all(|entry| (5.0..=30.0).contains(&seconds(entry.at))), "{entries:?}");
    let seen_at = stent.backend().workers().await.unwrap()[0].seen_at;
    assert!((20.0..=33.0).contains(&seconds(seen_at)), "{seen_at}");
    drop(worker);
}

/// Handles whatever becomes of its child.
#[durable]
async fn handles(ctx: Ctx, over_a_map: bool) -> Result<String> {
    let ended = if over_a_map {
        ctx.map(["child".to_owned()].map(hold)).await.map(drop)
    } else {
        ctx.call(hold("child".into())).await.map(drop)
    };
    let ledger = ctx.resource::<Ledger>()?;
    ledger.note(format!("handled {ended:?}"));
    ctx.step("compensate", async || {
        ledger.note("compensated");
        Ok::<_, Failure>(())
    })
    .await?;
    Ok("handled".into())
}

/// C-X1: a caller that has not heard of the cancel is not given that of its child, which it could handle.
async fn a_caller_does_not_handle_the_cancel_of_its_execution(bench: Bench) {
    for over_a_map in [false, true] {
        let bench = bench.another();
        // It looks every second, and hears of the cancel with its next heartbeat.
        let process = bench.deaf_process(functions![handles, hold]).await.work(&bench, |worker| worker).await;
        let execution = process.stent.dispatch(handles(over_a_map)).await.unwrap();
        bench.pass(SECOND).await;
        client(&bench).await.cancel(execution.id()).await.unwrap();
        bench.pass(20 * SECOND).await;
        left(&bench, "child").await;
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Cancelled);
        assert_eq!(bench.ledger.all(), ["child began", "child left"]);
    }
}

on_every_backend![
    a_caller_does_not_handle_the_cancel_of_its_execution,
    a_cancel_drops_running_code,
    without_hints_a_heartbeat_tells_of_it,
    a_cancel_reaches_everything_below,
    what_has_not_begun_never_does,
    a_cancel_may_be_repeated,
    a_cancel_wakes_who_waits,
    a_cancelled_wait_does_not_go_on,
    nothing_more_is_written_after_a_cancel,
    a_cancel_and_an_end_agree_on_who_was_first,
    an_outcome_that_comes_after_a_cancel_is_dropped,
    every_time_is_the_clocks,
];
