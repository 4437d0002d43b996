//! What a task leaves behind when it ends: nothing open below it, and what it dispatched (C-Y6).

use std::pin::pin;
use std::time::Duration;

use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{ExecutionFilter, ExecutionId, ExecutionRecord, ExecutionState, FunctionName, Page, Stent};
use stent_scenarios::{Bench, Gates, on_every_backend};
use stent_testkit::faulty::{Fault, Moment};

use crate::scene::{class, dead_letters, kill, note, tasks, working};

/// Sleeps, and would then do something.
#[durable]
async fn sleeper(ctx: Ctx) -> Result<()> {
    note(&ctx, "sleeps");
    ctx.sleep("1m").await?;
    note(&ctx, "woke");
    Ok(())
}

/// Calls [`sleeper`].
#[durable]
async fn between(ctx: Ctx) -> Result<()> {
    ctx.call(sleeper()).await
}

/// Returns while a call and a map are open, of which it still has the futures.
#[durable(retry(max_attempts = 1))]
async fn leaves(ctx: Ctx, well: bool) -> Result<u32> {
    let mut call = pin!(ctx.call(between()));
    let mut map = pin!(ctx.map((0..3).map(|_| sleeper())));
    let gate = ctx.step("gate", async || {
        ctx.resource::<Gates>()?.pass("go").await;
        Ok::<_, Failure>(())
    });
    select! {
        _ = &mut call => bail!("the call ended"),
        _ = &mut map => bail!("the map ended"),
        gone = gate => gone?,
    }
    if well { Ok(1) } else { bail!("not well") }
}

/// C-Y6, B8, B30: whatever it ends with, and all levels down.
async fn what_is_open_below_an_end_is_cancelled(bench: Bench) {
    for well in [true, false] {
        let bench = bench.another();
        let process = bench.process(functions![leaves, between, sleeper]).await;
        let process = process.work(&bench, |worker| worker.concurrency(2).lease("1h")).await;
        let execution = process.stent.dispatch(leaves(well)).await.unwrap();
        bench.sees("all sleep", || bench.ledger.count("sleeps") == 4).await;
        bench.settle().await;
        bench.gates.open("go");
        assert_eq!(bench.until("the end", execution.result()).await.is_ok(), well);
        let all = tasks(&bench, execution.id()).await;
        assert_eq!(all.len(), 6);
        assert!(all[1..].iter().all(|task| task.state == TaskState::Cancelled), "{all:#?}");
        bench.pass(Duration::from_secs(120)).await;
        assert_eq!(bench.ledger.count("woke"), 0);
        assert_eq!(dead_letters(&bench).await.len(), usize::from(!well), "what is cancelled has not failed");
    }
}

/// What is dispatched by others, on a queue of its own.
#[durable(queue = "apart")]
async fn apart(ctx: Ctx, name: String) -> Result<String> {
    note(&ctx, format!("apart {name}"));
    Ok(name)
}

/// Dispatches, and waits.
#[durable(retry(max_attempts = 1))]
async fn dispatches(ctx: Ctx, then: String) -> Result<ExecutionId> {
    let other = ctx.dispatch(apart("it".into())).await?;
    note(&ctx, format!("dispatched {other}"));
    match then.as_str() {
        "fails" => bail!("it"),
        "sleeps" => ctx.sleep("1h").await?,
        _ => {}
    }
    Ok(other)
}

/// The executions of [`apart`].
async fn others(stent: &Stent) -> Vec<ExecutionRecord> {
    let function = FunctionName::new(format!("{}::apart", module_path!())).unwrap();
    let filter = ExecutionFilter { function: Some(function), ..ExecutionFilter::default() };
    stent.list(&filter, Page::first(100)).await.unwrap()
}

/// C-Y6: it is an execution of its own, whatever becomes of who dispatched it.
async fn what_was_dispatched_outlives_its_dispatcher(bench: Bench) {
    for then in ["returns", "fails", "sleeps"] {
        let bench = bench.another();
        let process = bench.process(functions![dispatches, apart]).await;
        let process = process.work(&bench, |worker| worker.queues(["own"]).lease("1h")).await;
        let execution = process.stent.dispatch(dispatches(then.into())).await.unwrap();
        bench.sees("it dispatched", || bench.ledger.all().len() == 1).await;
        if then == "sleeps" {
            execution.cancel().await.unwrap();
        }
        bench.until("the end", execution.result()).await.ok();
        let others = others(&process.stent).await;
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].state, ExecutionState::Pending);
        assert_eq!(tasks(&bench, execution.id()).await.len(), 1, "it is no child");
        let _apart = working(&bench, functions![apart]).await;
        let other = process.stent.execution::<String>(others[0].id);
        assert_eq!(bench.until("the result", other.result()).await.unwrap(), "it");
        let dispatched = format!("dispatched {}", other.id());
        assert_eq!(bench.ledger.all(), [dispatched.as_str(), "apart it"]);
    }
}

/// C-Y6, B1: once, whichever call of the store its worker dies at.
async fn a_dispatch_happens_once_over_crashes(bench: Bench) {
    let mut died = 0;
    for (call, moment) in (1..=8).flat_map(|call| [(call, Moment::Before), (call, Moment::After)]) {
        let bench = bench.another();
        let client = bench.process(functions![dispatches]).await;
        let work = async || {
            let process = bench.process(functions![dispatches, apart]).await;
            process.work(&bench, |worker| worker.concurrency(1).queues(["own"]).lease("1h")).await
        };
        let first = work().await;
        bench.settle().await;
        first.plan.plan(call, Fault::Dies(moment));
        let execution =
            client.stent.dispatch(dispatches("returns".into()).retry(RetryPolicy::default())).await.unwrap();
        for _ in 0..20 {
            if !first.plan.is_dead() && execution.status().await.unwrap() != ExecutionState::Completed {
                bench.pass(Duration::from_secs(1)).await;
            }
        }
        died += usize::from(first.plan.is_dead());
        kill(&bench, first).await;
        let second = work().await;
        let other = bench.until("the result", execution.result()).await.unwrap();
        let others = others(&second.stent).await;
        assert_eq!(others.iter().map(|record| record.id).collect::<Vec<_>>(), [other], "call {call}, {moment:?}");
        let _apart = working(&bench, functions![apart]).await;
        bench.until("the result", second.stent.execution::<String>(other).result()).await.unwrap();
        assert_eq!(bench.ledger.count("apart it"), 1, "call {call}, {moment:?}");
    }
    assert!(died >= 8, "the first workers did not die of their {died} faults");
}

/// Dispatches with a key.
#[durable]
async fn dispatches_with_a_key(ctx: Ctx) -> Result<ExecutionId> {
    ctx.dispatch(apart("it".into()).dedup("key")).await
}

/// C-Y6: a dispatch inside of a function is known by its place, and a key of its own would promise what no journal holds.
async fn a_dispatch_of_a_function_takes_no_dedup_key(bench: Bench) {
    let process = working(&bench, functions![dispatches_with_a_key, apart]).await;
    let execution = process.stent.dispatch(dispatches_with_a_key().retry(RetryPolicy::none())).await.unwrap();
    assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::INVALID_CALL);
    assert!(others(&process.stent).await.is_empty());
}

on_every_backend![
    what_is_open_below_an_end_is_cancelled,
    what_was_dispatched_outlives_its_dispatcher,
    a_dispatch_happens_once_over_crashes,
    a_dispatch_of_a_function_takes_no_dedup_key,
];
