//! Sleeps, delayed work, and what both cost (C-Q4, C-Q1).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, on_every_backend, soon};
use stent_testkit::faulty::Fault;

use crate::scene::{LEASE, at_every_call, client, hold, presence, sleeps, suspended, waits};
use crate::suspension::functions;

const SECOND: Duration = Duration::from_secs(1);
const MICROSECOND: Duration = Duration::from_micros(1);
const HOUR: Duration = Duration::from_secs(3_600);

/// C-Q4, B10: crashes and restarts of every worker move nothing: not while it is in memory, not while it is suspended, not when nobody is there.
async fn a_sleep_keeps_its_time_over_crashes(bench: Bench) {
    let start = async || bench.process(functions()).await.work(&bench, |worker| worker).await;
    let first = start().await;
    let id = first.stent.dispatch(sleeps("1h".into())).await.unwrap().id();
    bench.pass(5 * SECOND).await;
    first.die(&bench).await;
    bench.leap(20 * 60 * SECOND).await;
    let second = start().await;
    suspended(&bench, &second.stent.execution::<u32>(id)).await;
    second.die(&bench).await;
    bench.leap(20 * 60 * SECOND).await;
    let third = start().await;
    let execution = third.stent.execution::<u32>(id);
    let dispatched = third.stent.backend().execution(id).await.unwrap().unwrap().created_at;
    bench.leap(HOUR - bench.now().since(dispatched) - MICROSECOND).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended);
    bench.pass(MICROSECOND).await;
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 7);
}

/// C-Q4: a sleep that ended while nobody was there is over for whoever comes.
async fn a_sleep_that_ended_unseen_is_over(bench: Bench) {
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(sleeps("1h".into())).await.unwrap().id();
    suspended(&bench, &first.stent.execution::<u32>(id)).await;
    first.die(&bench).await;
    bench.leap(2 * HOUR).await;
    let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    bench.settle().await;
    assert_eq!(soon("the result", second.stent.execution::<u32>(id).result()).await.unwrap(), 7);
}

/// C-Q4: whoever dies while a sleep is recorded, suspended or over: it ends at its time, or at once if that is past.
async fn a_sleep_ends_whoever_crashes_when(bench: Bench) {
    at_every_call(&bench, async |bench, (call, moment)| {
        let first = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after("3s")).await;
        let client = client(&bench).await;
        let until = first.plan.count() + call;
        first.plan.plan(call, Fault::Dies(moment));
        let id = client.dispatch(sleeps("20s".into())).await.unwrap().id();
        bench.pass(4 * SECOND).await;
        let is_dead = first.plan.count() >= until;
        first.die(&bench).await;
        bench.leap(LEASE).await;
        let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
        let result = bench.until("the result", second.stent.execution::<u32>(id).result()).await;
        assert_eq!(result.unwrap(), 7, "{call} {moment:?}");
        is_dead
    })
    .await;
}

/// C-Q1, C-Q4: not before it is due and not later, told of or found, over a restart.
async fn delayed_work_begins_when_it_is_due(bench: Bench) {
    async fn begins_in(bench: &Bench, wait: Duration, name: &str) {
        bench.pass(wait - MICROSECOND).await;
        assert_eq!(presence(bench, name), (0, 0), "{name}");
        bench.pass(MICROSECOND).await;
        assert_eq!(presence(bench, name), (1, 0), "{name}");
    }
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let own = first.stent.dispatch(hold("own".into()).delay("30s")).await.unwrap();
    assert_eq!(own.status().await.unwrap(), ExecutionState::Scheduled);
    begins_in(&bench, 30 * SECOND, "own").await;
    // Another process tells of it; a poll would be later.
    let client = client(&bench).await;
    let claims = || first.plan.calls().into_iter().filter(|call| *call == "claim").count();
    let before = claims();
    client.dispatch(hold("told".into()).delay("1500ms")).await.unwrap();
    bench.sees("it is told", || claims() > before).await;
    bench.settle().await;
    begins_in(&bench, Duration::from_millis(1_500), "told").await;
    client.dispatch(hold("later".into()).delay("2h")).await.unwrap();
    first.die(&bench).await;
    bench.leap(HOUR).await;
    let _second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    bench.leap(HOUR - MICROSECOND).await;
    assert_eq!(presence(&bench, "later"), (0, 0));
    bench.pass(MICROSECOND).await;
    assert_eq!(presence(&bench, "later"), (1, 0));
}

/// C-Q1: one that is due before those that are known of; a delay of a child, too.
async fn an_earlier_start_is_not_missed(bench: Bench) {
    #[durable]
    async fn calls_later(ctx: Ctx) -> Result<String> {
        ctx.call(hold("child".into()).delay("7s")).await
    }
    let stent = bench.stent(functions![hold, calls_later]).await;
    let _worker = bench.worker(stent.worker().suspend_after("0s")).await;
    stent.dispatch(hold("late".into()).delay("1h")).await.unwrap();
    stent.dispatch(hold("early".into()).delay("2s")).await.unwrap();
    stent.dispatch(calls_later()).await.unwrap();
    bench.pass(2 * SECOND).await;
    assert_eq!((presence(&bench, "early"), presence(&bench, "child")), ((1, 0), (0, 0)));
    bench.pass(5 * SECOND).await;
    assert_eq!((presence(&bench, "child"), presence(&bench, "late")), ((1, 0), (0, 0)));
}

/// C-Q4: they cost no calls of their own, however many they are.
async fn what_is_suspended_asks_the_store_for_nothing(bench: Bench) {
    async fn calls_of_a_minute(bench: &Bench, process: &stent_scenarios::Process) -> usize {
        let before = process.plan.count();
        bench.pass(60 * SECOND).await;
        process.plan.count() - before
    }
    let process = bench.process(functions()).await.work(&bench, |worker| worker.suspend_after("0s")).await;
    bench.pass(90 * SECOND).await;
    let idle = calls_of_a_minute(&bench, &process).await;
    process.stent.dispatch_all((0..300).map(|_| waits())).await.unwrap();
    process.stent.dispatch_all((0..300).map(|_| sleeps("1d".into()))).await.unwrap();
    bench.pass(60 * SECOND).await;
    assert_eq!(presence(&bench, "waits"), (300, 300));
    // Hints of the process's own writes come in real time, and may ask for a look that falls into one minute or another.
    let mut asleep = Vec::new();
    for _ in 0..5 {
        asleep.push(calls_of_a_minute(&bench, &process).await);
    }
    assert!(asleep.iter().any(|calls| *calls <= idle + 2), "{asleep:?} calls beside {idle}");
}

on_every_backend![
    a_sleep_keeps_its_time_over_crashes,
    a_sleep_that_ended_unseen_is_over,
    a_sleep_ends_whoever_crashes_when,
    delayed_work_begins_when_it_is_due,
    an_earlier_start_is_not_missed,
    what_is_suspended_asks_the_store_for_nothing,
];
