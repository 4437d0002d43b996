//! Suspension: what only waits leaves memory, and whatever it waits for wakes it (C-Q4, C-Q5).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::Registration;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, Ledger, on_every_backend, soon};

use crate::scene::{
    Presence, at_every_call, calls, client, freeze, hold, presence, sleeps, states, tasks, thaw_after, waits,
};

const SECOND: Duration = Duration::from_secs(1);
const MICROSECOND: Duration = Duration::from_micros(1);

/// An item of a map: passes the gate of its name.
#[durable]
pub(crate) async fn item(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.resource::<Gates>()?.pass(&format!("item {number}")).await;
    ctx.resource::<Ledger>()?.note(format!("item {number} ended"));
    if number == 66 { bail!("item {number} fails") } else { Ok(number) }
}

/// A map over these, in chunks of 2.
#[durable]
async fn maps(ctx: Ctx, numbers: Vec<u32>) -> Result<Vec<u32>> {
    let _presence = Presence::new(&ctx, "maps")?;
    ctx.map(numbers.into_iter().map(item)).chunk(2).await
}

/// A step, and then a wait of every kind at once.
#[durable]
pub(crate) async fn waits_for_all(ctx: Ctx) -> Result<(u32, u32, Vec<u32>, String)> {
    let _presence = Presence::new(&ctx, "all")?;
    let ledger = ctx.resource::<Ledger>()?;
    ctx.step("once", async || {
        ledger.note("step");
        Ok::<_, Failure>(())
    })
    .await?;
    let slept = async {
        ctx.sleep("30s").await?;
        Ok(7)
    };
    try_join!(slept, ctx.signal("go"), ctx.map([1, 2].map(item)), ctx.call(hold("child".into())))
}

pub(crate) fn functions() -> Vec<Registration> {
    functions![item, maps, waits_for_all, waits, sleeps, calls, hold]
}

/// C-Q4: one place is enough for any number of those that wait, of every kind, in memory and out of it.
async fn what_waits_holds_no_place(bench: Bench) {
    for suspend_after in ["1h", "0s"] {
        let bench = bench.another();
        // The children run on a worker of their own, which has places for them.
        let others = bench.process(functions![hold, item]).await.work(&bench, |worker| worker).await;
        let stent = bench.stent(functions![waits_for_all, waits, sleeps]).await;
        let _worker = bench.worker(stent.worker().concurrency(1).suspend_after(suspend_after)).await;
        let client = client(&bench).await;
        for _ in 0..5 {
            others.stent.dispatch(hold("other".into())).await.unwrap();
            client.dispatch(waits_for_all()).await.unwrap();
            stent.dispatch(waits()).await.unwrap();
            stent.dispatch(sleeps("1h".into())).await.unwrap();
        }
        bench.pass(5 * SECOND).await;
        let execution = stent.dispatch(sleeps("0s".into())).await.unwrap();
        bench.pass(SECOND).await;
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Completed);
        assert!(presence(&bench, "all").0 >= 5 && presence(&bench, "waits").0 == 5);
    }
}

/// C-Q4: not before its time, and then whole: no memory, no claim, no worker.
async fn after_a_while_a_waiting_task_leaves_memory(bench: Bench) {
    let stent = bench.stent(functions()).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(waits()).await.unwrap();
    bench.pass(10 * SECOND - MICROSECOND).await;
    assert_eq!(presence(&bench, "waits"), (1, 0));
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    bench.pass(MICROSECOND).await;
    assert_eq!(presence(&bench, "waits"), (1, 1));
    let task = tasks(&stent, execution.id()).await.remove(0);
    assert_eq!((task.state, task.worker, task.lease_until), (TaskState::Suspended, None, None));
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended);
}

/// C-Q4: what comes before that needs neither a claim nor a replay.
async fn a_wait_that_is_over_soon_costs_no_replay(bench: Bench) {
    let stent = bench.stent(functions()).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(waits()).await.unwrap();
    bench.pass(9 * SECOND).await;
    execution.signal("go", &1).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 1);
    assert_eq!(presence(&bench, "waits"), (1, 1));
}

/// C-Q4: without any time passing, and the one that has waited longest.
async fn past_max_resident_the_longest_waiting_leaves_at_once(bench: Bench) {
    let stent = bench.stent(functions()).await;
    let _worker = bench.worker(stent.worker().max_resident(2)).await;
    let mut executions = Vec::new();
    for _ in 0..4 {
        executions.push(stent.dispatch(waits()).await.unwrap());
        bench.settle().await;
    }
    let mut states = Vec::new();
    for execution in &executions {
        states.push(execution.status().await.unwrap());
    }
    use ExecutionState::{Running, Suspended};
    assert_eq!(states, [Suspended, Suspended, Running, Running]);
    assert_eq!(presence(&bench, "waits"), (4, 2));
}

/// C-Q4: nothing that runs is among them.
async fn what_runs_is_never_suspended(bench: Bench) {
    let stent = bench.stent(functions()).await;
    let _worker = bench.worker(stent.worker().suspend_after("0s").max_resident(0)).await;
    let execution = stent.dispatch(hold("it".into())).await.unwrap();
    bench.pass(60 * SECOND).await;
    assert_eq!((execution.status().await.unwrap(), presence(&bench, "it")), (ExecutionState::Running, (1, 0)));
    bench.gates.open("it");
    assert_eq!(soon("the result", execution.result()).await.unwrap(), "it");
}

/// C-Q4, C-R1: with all it was given, on another worker, whatever it waits for; what had completed does not run again.
async fn it_comes_back_by_replay_on_another_worker(bench: Bench) {
    let first = bench.process(functions()).await.work(&bench, |worker| worker.concurrency(2)).await;
    let id = first.stent.dispatch(waits_for_all()).await.unwrap().id();
    for name in ["child", "item 1", "item 2"] {
        bench.gates.open(name);
    }
    bench.pass(15 * SECOND).await;
    let execution = first.stent.execution::<(u32, u32, Vec<u32>, String)>(id);
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Suspended);
    first.die(&bench).await;

    let second = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let execution = second.stent.execution::<(u32, u32, Vec<u32>, String)>(id);
    bench.pass(20 * SECOND).await;
    execution.signal("go", &8).await.unwrap();
    let result = bench.until("the result", execution.result()).await.unwrap();
    assert_eq!(result, (7, 8, vec![1, 2], "child".to_owned()));
    assert_eq!(bench.ledger.count("step"), 1);
    for effect in ["child ended", "item 1 ended", "item 2 ended"] {
        assert_eq!(bench.ledger.count(effect), 1, "{effect}");
    }
}

/// What may wake a suspended task.
#[derive(Debug, Clone, Copy)]
enum Event {
    Child,
    Signal,
    Timer,
    Chunk,
    FailedItem,
}

/// C-Q5: whatever happens to what it waits for at whatever moment of its suspending: between any two calls of its worker, with the
/// answer of the call before known or not.
async fn whenever_it_happens_it_wakes(bench: Bench) {
    for event in [Event::Child, Event::Signal, Event::Timer, Event::Chunk, Event::FailedItem] {
        at_every_call(&bench, async |bench, (call, moment)| {
            let process = bench.process(functions![calls, waits, sleeps, maps]).await;
            let process = process.work(&bench, |worker| worker.lease("1h").suspend_after("3s")).await;
            let elsewhere = bench.process(functions![hold, item]).await.work(&bench, |worker| worker.lease("1h")).await;
            let stent = &elsewhere.stent;
            let client = client(&bench).await;
            freeze(&process, (call, moment));
            let id = match event {
                Event::Child => client.dispatch(calls("child".into())).await.unwrap().id(),
                Event::Signal => client.dispatch(waits()).await.unwrap().id(),
                Event::Timer => client.dispatch(sleeps("8s".into())).await.unwrap().id(),
                Event::Chunk => client.dispatch(maps(vec![1, 2])).await.unwrap().id(),
                Event::FailedItem => client.dispatch(maps(vec![1, 66])).await.unwrap().id(),
            };
            let what_it_waits_for = async {
                match event {
                    Event::Child => bench.gates.open("child"),
                    Event::Signal => stent.signal(id, "go", &7).await.unwrap(),
                    Event::Timer => bench.pass(SECOND).await,
                    Event::Chunk => ["item 1", "item 2"].iter().for_each(|name| bench.gates.open(name)),
                    Event::FailedItem => bench.gates.open("item 66"),
                }
                bench.settle().await;
            };
            bench.pass(7 * SECOND).await;
            let is_frozen = thaw_after(&process, what_it_waits_for).await;
            let ended = bench.until("the end", client.execution::<serde_json::Value>(id).result()).await;
            match (event, ended) {
                (Event::Child, Ok(value)) => assert_eq!(value, "child"),
                (Event::Signal | Event::Timer, Ok(value)) => assert_eq!(value, 7),
                (Event::Chunk, Ok(value)) => assert_eq!(value, serde_json::json!([1, 2])),
                (Event::FailedItem, Err(error)) => assert!(error.failure().is_some(), "{error}"),
                (_, ended) => panic!("{event:?} {call} {moment:?}: {ended:?}"),
            }
            is_frozen
        })
        .await;
    }
}

/// C-Q5: the store refuses to suspend what has been woken; it goes on in memory, without a replay.
async fn a_task_that_is_awake_is_not_suspended(bench: Bench) {
    let process = bench.process_with(functions(), |program| program.poll("1h"), false).await;
    let process = process.work(&bench, |worker| worker.suspend_after("5s")).await;
    let execution = process.stent.dispatch(waits()).await.unwrap();
    bench.pass(SECOND).await;
    // Nothing tells this process of it.
    client(&bench).await.signal(execution.id(), "go", &7).await.unwrap();
    bench.pass(3 * SECOND).await;
    assert_eq!(presence(&bench, "waits"), (1, 0));
    bench.pass(SECOND).await;
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 7);
    assert_eq!(presence(&bench, "waits"), (1, 1));
    assert!(process.plan.calls().contains(&"suspend"));
}

/// C-Q4, L3: a process that hears no hints finds everything by looking.
async fn without_hints_it_wakes_all_the_same(bench: Bench) {
    let _process = bench.deaf_process(functions()).await.work(&bench, |worker| worker).await;
    let client = client(&bench).await;
    let [child, signal, timer] = [
        client.dispatch(calls("child".into())).await.unwrap().id(),
        client.dispatch(waits()).await.unwrap().id(),
        client.dispatch(sleeps("20s".into())).await.unwrap().id(),
    ];
    bench.pass(15 * SECOND).await;
    assert_eq!(states(&client, signal).await, [TaskState::Suspended]);
    bench.gates.open("child");
    client.signal(signal, "go", &7).await.unwrap();
    bench.pass(7 * SECOND).await;
    for id in [child, signal, timer] {
        assert_eq!(client.execution::<()>(id).status().await.unwrap(), ExecutionState::Completed);
    }
}

/// C-Q4: by the last item of its oldest chunk, not by every item.
async fn a_map_wakes_by_its_oldest_chunk(bench: Bench) {
    let stent = bench.stent(functions()).await;
    let _worker = bench.worker(stent.worker().suspend_after("1s")).await;
    // Four of its items are there: two chunks. The oldest is the first two.
    let execution = stent.dispatch(maps((0..6).collect())).await.unwrap();
    bench.pass(5 * SECOND).await;
    assert_eq!(states(&stent, execution.id()).await.len(), 5);
    let replays = async || {
        bench.pass(5 * SECOND).await;
        presence(&bench, "maps").0
    };
    assert_eq!(replays().await, 1);
    for other in [3, 1] {
        bench.gates.open(&format!("item {other}"));
        assert_eq!(replays().await, 1, "item {other} wakes nobody");
    }
    bench.gates.open("item 0");
    assert_eq!(replays().await, 2);
    for other in [2, 4, 5] {
        bench.gates.open(&format!("item {other}"));
    }
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [0, 1, 2, 3, 4, 5]);
    for number in 0..6 {
        assert_eq!(bench.ledger.count(&format!("item {number} ended")), 1);
    }
}

on_every_backend![
    what_waits_holds_no_place,
    after_a_while_a_waiting_task_leaves_memory,
    a_wait_that_is_over_soon_costs_no_replay,
    past_max_resident_the_longest_waiting_leaves_at_once,
    what_runs_is_never_suspended,
    it_comes_back_by_replay_on_another_worker,
    whenever_it_happens_it_wakes,
    a_task_that_is_awake_is_not_suspended,
    without_hints_it_wakes_all_the_same,
    a_map_wakes_by_its_oldest_chunk,
];
