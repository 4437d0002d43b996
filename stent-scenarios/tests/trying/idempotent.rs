//! Idempotent functions: one run for a key, for ever, whoever calls (C-K2).

use std::time::Duration;

use stent_core::retry::ErrorClass;
use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_executor::{Execution, ExecutionState};
use stent_scenarios::{Bench, Gates, on_every_backend, soon};

use crate::scene::{class, kill, note, tasks, working};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

/// Runs until its gate is open, once for its key.
#[durable(idempotent, key = "one", retry(max_attempts = 1))]
async fn once(ctx: Ctx, caller: String, fails: bool) -> Result<String> {
    note(&ctx, format!("once {caller}"));
    ctx.resource::<Gates>()?.pass(&caller).await;
    if fails { bail!("{caller} failed") } else { Ok(caller) }
}

/// Calls [`once`].
#[durable(retry(max_attempts = 1))]
async fn calls_once(ctx: Ctx, caller: String) -> Result<String> {
    ctx.call(once(caller, false)).await
}

/// Waits until the run of this caller has begun.
async fn runs(bench: &Bench, caller: &str) {
    let effect = format!("once {caller}");
    bench.until(&effect, bench.sees(&effect, || bench.ledger.count(&effect) == 1)).await;
}

/// C-K2, B32, S15: one run for concurrent callers, over executions, tasks and workers; the others wait, and use no attempt up.
async fn an_idempotent_function_runs_once_for_all_callers(bench: Bench) {
    let (one, other) = (
        bench
            .process(functions![calls_once, once])
            .await
            .work(&bench, |worker| worker.concurrency(9).lease("1h"))
            .await,
        bench
            .process(functions![calls_once, once])
            .await
            .work(&bench, |worker| worker.concurrency(9).lease("1h"))
            .await,
    );
    let owner = one.stent.dispatch(once("owner".into(), false)).await.unwrap();
    runs(&bench, "owner").await;
    let mut callers: Vec<Execution<String>> = Vec::new();
    for (number, stent) in [&one.stent, &other.stent].repeat(4).into_iter().enumerate() {
        let name = format!("no {number}");
        callers.push(match number % 3 {
            0 => stent.dispatch(calls_once(name)).await.unwrap(),
            _ => stent.dispatch(once(name, false)).await.unwrap(),
        });
    }
    bench.pass(Duration::from_secs(12)).await;
    assert_eq!(bench.ledger.all(), ["once owner"]);
    for caller in &callers {
        let waiting = tasks(&bench, caller.id()).await.pop().unwrap();
        assert!(waiting.reason.is_some_and(|reason| reason.contains("held by")), "it has asked for the key");
    }
    bench.gates.open("owner");
    for caller in &callers {
        assert_eq!(bench.until("the result", caller.result()).await.unwrap(), "owner");
        assert!(tasks(&bench, caller.id()).await.iter().all(|task| task.attempt <= 1));
    }
    assert_eq!(bench.until("the result", owner.result()).await.unwrap(), "owner");
    let later = other.stent.dispatch(once("later".into(), true)).await.unwrap();
    assert_eq!(soon("the result", later.result()).await.unwrap(), "owner");
    bench.leap(YEAR).await;
    let much_later = other.stent.dispatch(calls_once("much later".into())).await.unwrap();
    assert_eq!(bench.until("the result", much_later.result()).await.unwrap(), "owner", "for ever");
    assert_eq!(bench.ledger.all(), ["once owner"]);
}

/// C-K2: who waits for a key asks again as soon as it is free: without time passing, and without a place meanwhile.
async fn who_waits_for_a_key_asks_again_on_a_hint(bench: Bench) {
    let functions = || functions![once];
    let one = bench.process(functions()).await.work(&bench, |worker| worker.concurrency(1).lease("1h")).await;
    let owner = one.stent.dispatch(once("owner".into(), false)).await.unwrap();
    bench.sees("it runs", || bench.ledger.count("once owner") == 1).await;
    let other = bench.process(functions()).await.work(&bench, |worker| worker.concurrency(1).lease("1h")).await;
    let callers = ["a", "b"].map(|caller| once(caller.into(), false));
    let callers = other.stent.dispatch_all(callers).await.unwrap();
    let asked = || other.plan.calls().iter().filter(|call| **call == "reserve").count();
    bench.sees("both have asked for the key", || asked() == 2).await;
    bench.gates.open("owner");
    for caller in [&owner].into_iter().chain(&callers) {
        assert_eq!(soon("the result", caller.result()).await.unwrap(), "owner");
    }
    assert_eq!(bench.ledger.all(), ["once owner"]);
}

/// C-K2: an owner that fails, is cancelled or times out stores nothing, and one of the waiting runs.
async fn an_owner_that_ends_without_a_result_gives_the_key_up(bench: Bench) {
    for how in [ExecutionState::Failed, ExecutionState::Cancelled, ExecutionState::TimedOut] {
        let bench = bench.another();
        let process = bench.process(functions![once]).await;
        let process = process.work(&bench, |worker| worker.concurrency(4).lease("1h")).await;
        let call = once("owner".into(), true);
        let call = if how == ExecutionState::TimedOut { call.max_duration("20s") } else { call };
        let owner = process.stent.dispatch(call).await.unwrap();
        runs(&bench, "owner").await;
        let waiting = [once("a".into(), false), once("b".into(), false)];
        let waiting = process.stent.dispatch_all(waiting).await.unwrap();
        bench.pass(Duration::from_secs(6)).await;
        assert_eq!(bench.ledger.all(), ["once owner"]);
        match how {
            ExecutionState::Failed => bench.gates.open("owner"),
            ExecutionState::Cancelled => owner.cancel().await.unwrap(),
            _ => bench.pass(Duration::from_secs(20)).await,
        }
        bench.until("the end", owner.result()).await.unwrap_err();
        assert_eq!(owner.status().await.unwrap(), how);
        ["a", "b"].iter().for_each(|gate| bench.gates.open(gate));
        let first = bench.until("the result", waiting[0].result()).await.unwrap();
        assert_eq!(bench.until("the result", waiting[1].result()).await.unwrap(), first);
        assert_eq!(bench.ledger.all().len(), 2, "one of the waiting ran: {:?}", bench.ledger.all());
    }
}

/// C-K2: a reservation lasts while its owner is open: a lost worker gives nothing up, and its task goes on itself.
async fn an_owner_whose_worker_is_lost_keeps_its_key(bench: Bench) {
    let first = working(&bench, functions![once]).await;
    let policy = RetryPolicy::builder().max_attempts(2).build().unwrap();
    let owner = first.stent.dispatch(once("owner".into(), false).retry(policy)).await.unwrap().id();
    runs(&bench, "owner").await;
    kill(&bench, first).await;
    let second = bench.process(functions![once]).await;
    let second = second.work(&bench, |worker| worker.concurrency(2).lease("1h")).await;
    bench.until("it runs", bench.sees("it runs", || bench.ledger.count("once owner") == 2)).await;
    let other = second.stent.dispatch(once("other".into(), false)).await.unwrap();
    bench.pass(Duration::from_secs(6)).await;
    bench.gates.open("owner");
    for execution in [owner, other.id()] {
        let execution = second.stent.execution::<String>(execution);
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), "owner");
    }
    assert_eq!(bench.ledger.all(), ["once owner", "once owner"]);
}

/// Asks for its own result, through another function.
#[durable(idempotent, retry(max_attempts = 1))]
async fn asks_itself(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.call(passes_on(number)).await
}

#[durable(retry(max_attempts = 1))]
async fn passes_on(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.call(asks_itself(if number > 10 { number - 1 } else { number })).await
}

/// C-K2: waiting for an ancestor would never end.
async fn a_key_held_by_an_ancestor_is_an_error(bench: Bench) {
    let process = working(&bench, functions![asks_itself, passes_on]).await;
    let execution = process.stent.dispatch(asks_itself(12)).await.unwrap();
    assert_eq!(class(bench.until("the end", execution.result()).await), ErrorClass::INVALID_CALL);
    // 12, 11 and 10 had keys of their own; the second 10 would wait for the first.
    assert_eq!(tasks(&bench, execution.id()).await.len(), 7);
}

/// Maps over keys that come again.
#[durable]
async fn maps(ctx: Ctx) -> Result<Vec<u32>> {
    ctx.map([1, 2, 1, 3, 2, 1].map(single)).chunk(3).await
}

#[durable(idempotent)]
async fn single(ctx: Ctx, number: u32) -> Result<u32> {
    note(&ctx, format!("single {number}"));
    Ok(number * 10)
}

/// C-K1, C-K2, B32: the same key three times in a map is one run.
async fn items_of_a_map_share_too(bench: Bench) {
    let process = bench.process(functions![maps, single]).await;
    let process = process.work(&bench, |worker| worker.concurrency(9).lease("1h")).await;
    let execution = process.stent.dispatch(maps()).await.unwrap();
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), [10, 20, 10, 30, 20, 10]);
    let mut effects = bench.ledger.all();
    effects.sort();
    assert_eq!(effects, ["single 1", "single 2", "single 3"]);
    assert!(tasks(&bench, execution.id()).await.iter().all(|task| task.state == TaskState::Completed));
}

on_every_backend![
    who_waits_for_a_key_asks_again_on_a_hint,
    an_idempotent_function_runs_once_for_all_callers,
    an_owner_that_ends_without_a_result_gives_the_key_up,
    an_owner_whose_worker_is_lost_keeps_its_key,
    a_key_held_by_an_ancestor_is_an_error,
    items_of_a_map_share_too,
];
