//! Operations that are dropped, and operations out of place (C-R8, C-R9).

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, Ledger, on_every_backend, soon};

use crate::scene::{LEASE, Presence, calls, client, hold, left, presence, sleeps, states, suspended};
use crate::suspension::{item, waits_for_all};

const SECOND: Duration = Duration::from_secs(1);
const MICROSECOND: Duration = Duration::from_micros(1);

/// C-R9: the loser of a race is dropped: its child is cancelled with all below it, its map's items, its step's code.
async fn a_dropped_operation_is_abandoned_with_all_below_it(bench: Bench) {
    #[durable]
    async fn races(ctx: Ctx, what: String) -> Result<()> {
        let ledger = ctx.resource::<Ledger>()?;
        let time = async |ctx: &Ctx| ctx.sleep("20s").await;
        match what.as_str() {
            "call" => select! {
                ended = ctx.call(calls("it".into())) => drop(ended?),
                slept = time(&ctx) => slept?,
            },
            "map" => select! {
                ended = ctx.map(["it".to_owned()].map(hold)) => drop(ended?),
                slept = time(&ctx) => slept?,
            },
            _ => select! {
                ended = ctx.step("code", async || {
                    let _presence = Presence::new(&ctx, "it")?;
                    std::future::pending::<()>().await;
                    Ok::<_, Failure>(())
                }) => ended?,
                slept = time(&ctx) => slept?,
            },
        }
        ledger.note("went on");
        ctx.signal("go").await
    }
    for (what, tasks_below) in [("call", 2), ("map", 1), ("step", 0)] {
        let bench = bench.another();
        let stent = bench.stent(functions![races, calls, hold]).await;
        let _worker = bench.worker(stent.worker()).await;
        let execution = stent.dispatch(races(what.into())).await.unwrap();
        bench.pass(20 * SECOND - MICROSECOND).await;
        assert_eq!(presence(&bench, "it"), (1, 0), "{what}");
        bench.pass(MICROSECOND).await;
        left(&bench, "it").await;
        bench.settle().await;
        assert_eq!(bench.ledger.count("went on"), 1, "{what}");
        let states = states(&stent, execution.id()).await;
        assert_eq!(states[1..], vec![TaskState::Cancelled; tasks_below], "{what}");
        assert_eq!(execution.status().await.unwrap(), ExecutionState::Running, "{what}");
    }
}

/// C-R9: neither a suspension nor a drain nor a crash is a drop: what is open goes on.
async fn leaving_memory_drops_no_operation(bench: Bench) {
    let process =
        || async { bench.process(functions![calls, waits_for_all]).await.work(&bench, |worker| worker).await };
    let _children = bench.process(functions![hold, item]).await.work(&bench, |worker| worker.lease("1h")).await;
    let client = client(&bench).await;
    let id = client.dispatch(calls("child".into())).await.unwrap().id();
    let drained = process().await;
    bench.pass(SECOND).await;
    assert_eq!(soon("drained", drained.worker().drain()).await, Ok(()));
    let lost = process().await;
    bench.pass(SECOND).await;
    lost.die(&bench).await;
    bench.leap(LEASE).await;
    let suspending = process().await;
    suspended(&bench, &client.execution::<String>(id)).await;
    bench.pass(SECOND).await;
    assert_eq!(states(&client, id).await, [TaskState::Suspended, TaskState::Running]);
    assert_eq!(presence(&bench, "child"), (1, 0));
    bench.gates.open("child");
    assert_eq!(bench.until("the result", suspending.stent.execution::<String>(id).result()).await.unwrap(), "child");
}

/// C-R8: an operation is legal only where the function itself is polled; elsewhere it is an error that says so, and makes nothing.
async fn an_operation_out_of_place_is_a_clear_error(bench: Bench) {
    #[durable]
    async fn misplaces(ctx: Ctx) -> Result<()> {
        let ledger = ctx.resource::<Ledger>()?;
        let tell = |place: &str, ended: Result<u32>| ledger.note(format!("{place}: {}", ended.unwrap_err()));
        let spawned = ctx.clone();
        tell("spawned", tokio::spawn(async move { spawned.call(sleeps("0s".into())).await }).await?);
        ctx.step("code", async || {
            tell("step", ctx.call(sleeps("0s".into())).await);
            Ok::<_, Failure>(())
        })
        .await?;
        let items = (0..2).map(|number| {
            let wait = Box::pin(ctx.signal::<u32>("go"));
            tell("iterator", futures_util::FutureExt::now_or_never(wait).expect("it is refused at once"));
            item(number)
        });
        ctx.map(items).await?;
        Ok(())
    }
    let stent = bench.stent(functions![misplaces, sleeps, item]).await;
    let _worker = bench.worker(stent.worker()).await;
    let execution = stent.dispatch(misplaces()).await.unwrap();
    bench.settle().await;
    let told = bench.ledger.all();
    assert_eq!(told.len(), 4, "{told:?}");
    for (told, (place, why)) in told.iter().zip([
        ("spawned: ", "a spawned task"),
        ("step: ", "a step"),
        ("iterator: ", "a map's iterator"),
        ("iterator: ", "a map's iterator"),
    ]) {
        assert!(told.starts_with(place) && told.contains(why), "{told}");
    }
    assert_eq!(states(&stent, execution.id()).await.len(), 3, "the items alone were made");
}

/// C-R8: what is awaited outside of the context runs again in a replay, which waits for it.
async fn a_replay_waits_for_what_is_awaited_outside_of_the_context(bench: Bench) {
    #[durable]
    async fn foreign(ctx: Ctx) -> Result<u32> {
        let gates = ctx.resource::<Gates>()?;
        ctx.resource::<Ledger>()?.note("asked");
        gates.pass("foreign").await;
        ctx.call(sleeps("30s".into())).await
    }
    let functions = || functions![foreign, sleeps];
    bench.gates.open("foreign");
    let first = bench.process(functions()).await.work(&bench, |worker| worker).await;
    let id = first.stent.dispatch(foreign()).await.unwrap().id();
    suspended(&bench, &first.stent.execution::<u32>(id)).await;
    let execution = first.stent.execution::<u32>(id);
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 7);
    assert_eq!(bench.ledger.count("asked"), 2);
}

on_every_backend![
    a_dropped_operation_is_abandoned_with_all_below_it,
    leaving_memory_drops_no_operation,
    an_operation_out_of_place_is_a_clear_error,
    a_replay_waits_for_what_is_awaited_outside_of_the_context,
];
