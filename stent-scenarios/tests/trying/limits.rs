//! How many tasks of a function run at once, over all workers (C-Q3).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stent_executor::ExecutionState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, Process, on_every_backend};

use crate::scene::{eventually, kill, note, working};

const HOUR: Duration = Duration::from_secs(3_600);

/// How many run at once, and how many ever did.
#[derive(Clone, Default)]
struct Crowd(Arc<(AtomicUsize, AtomicUsize)>);

impl Crowd {
    fn enter(&self) -> Inside {
        let now = self.0.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.0.1.fetch_max(now, Ordering::SeqCst);
        Inside(self.clone())
    }
}

struct Inside(Crowd);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// At most two at once, over all workers.
#[durable(max_concurrent = 2)]
pub(crate) async fn limited(ctx: Ctx, name: String) -> Result<()> {
    let _inside = ctx.resource::<Crowd>()?.enter();
    note(&ctx, format!("{name} begins"));
    ctx.resource::<Gates>()?.pass(&name).await;
    Ok(())
}

/// C-Q3, B22, S14: exactly, with more workers and slots than places.
async fn a_limit_is_exact_over_all_workers(bench: Bench) {
    let crowd = Crowd::default();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let process = bench.process_with(functions![limited], |program| program.resource(crowd.clone()), true).await;
        processes.push(process.work(&bench, |worker| worker.concurrency(4).lease("1h")).await);
    }
    let executions = (0..9).map(|number| limited(format!("no {number}")));
    let executions = processes[0].stent.dispatch_all(executions).await.unwrap();
    for ended in 0..9 {
        bench.sees("the next begins", || bench.ledger.all().len() >= (ended + 2).min(9)).await;
        // All workers look, and look again, and find no place.
        bench.pass(Duration::from_secs(6)).await;
        let begun: Vec<_> = bench.ledger.all();
        assert_eq!(begun.len(), (ended + 2).min(9), "{begun:?}");
        assert_eq!(crowd.0.0.load(Ordering::SeqCst), (9 - ended).min(2));
        let limits = processes[1].stent.backend().limits().await.unwrap();
        assert_eq!((limits[0].max_concurrent, limits[0].held as usize), (2, (9 - ended).min(2)));
        bench.gates.open(begun[ended].strip_suffix(" begins").unwrap());
    }
    for execution in executions {
        bench.until("the result", execution.result()).await.unwrap();
    }
    assert_eq!(crowd.0.1.load(Ordering::SeqCst), 2, "and never more");
}

/// One at once: sleeps for a minute, in the store.
#[durable(max_concurrent = 1)]
async fn dreams(ctx: Ctx, name: String) -> Result<()> {
    note(&ctx, format!("{name} begins"));
    ctx.sleep("1m").await?;
    note(&ctx, format!("{name} ends"));
    Ok(())
}

/// C-Q3, B23: a holder that is suspended holds its place, until its end.
async fn a_suspended_holder_holds_its_place(bench: Bench) {
    let process = bench.process(functions![dreams]).await;
    let process = process.work(&bench, |worker| worker.suspend_after("0s").lease("1h")).await;
    let first = process.stent.dispatch(dreams("first".into())).await.unwrap();
    bench.sees("it begins", || bench.ledger.count("first begins") == 1).await;
    let second = process.stent.dispatch(dreams("second".into())).await.unwrap();
    bench.pass(Duration::from_secs(59)).await;
    let is_suspended = async || first.status().await.unwrap() == ExecutionState::Suspended;
    eventually("it is suspended", is_suspended).await;
    assert_eq!(bench.ledger.all(), ["first begins"]);
    bench.until("the result", first.result()).await.unwrap();
    bench.until("the result", second.result()).await.unwrap();
    let order = ["first begins", "first begins", "first ends", "second begins", "second begins", "second ends"];
    assert_eq!(bench.ledger.all(), order);
}

/// One at once: fails at first, and waits an hour for its retry.
#[durable(max_concurrent = 1, retry(initial_delay = "1h", max_delay = "1h", jitter = 0))]
async fn stumbles(ctx: Ctx, name: String) -> Result<u32> {
    note(&ctx, name);
    if ctx.attempt() == 1 { bail!("it") } else { Ok(ctx.attempt()) }
}

/// C-Q3: not while it waits for a retry.
async fn who_waits_for_a_retry_holds_no_place(bench: Bench) {
    let process = worker_of(&bench, functions![stumbles]).await;
    let executions = ["a", "b", "c"].map(|name| stumbles(name.into()));
    let executions = process.stent.dispatch_all(executions).await.unwrap();
    let have_begun = || bench.ledger.all().into_iter().collect::<BTreeSet<_>>().len() == 3;
    bench.until("all begin", bench.sees("all begin", have_begun)).await;
    bench.leap(HOUR).await;
    for execution in executions {
        assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 2);
    }
}

async fn worker_of(bench: &Bench, functions: Vec<stent_executor::Registration>) -> Process {
    bench.process(functions).await.work(bench, |worker| worker.concurrency(8).lease("10h")).await
}

/// One at once, and calls itself.
#[durable(max_concurrent = 1)]
async fn recurses(ctx: Ctx, name: String, depth: u32) -> Result<u32> {
    note(&ctx, format!("{name} {depth}"));
    if depth == 0 {
        ctx.resource::<Gates>()?.pass(&name).await;
        return Ok(0);
    }
    Ok(ctx.call(recurses(name, depth - 1)).await? + 1)
}

/// C-Q3, B23: ancestors are not counted against it; others are.
async fn recursion_locks_nobody_up(bench: Bench) {
    let process = worker_of(&bench, functions![recurses]).await;
    let first = process.stent.dispatch(recurses("first".into(), 5)).await.unwrap();
    bench.sees("it begins", || bench.ledger.count("first 5") == 1).await;
    let second = process.stent.dispatch(recurses("second".into(), 2)).await.unwrap();
    bench.until("it is down", bench.sees("it is down", || bench.ledger.count("first 0") == 1)).await;
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(bench.ledger.all(), ["first 5", "first 4", "first 3", "first 2", "first 1", "first 0"]);
    ["first", "second"].iter().for_each(|gate| bench.gates.open(gate));
    assert_eq!(bench.until("the result", first.result()).await.unwrap(), 5);
    assert_eq!(bench.until("the result", second.result()).await.unwrap(), 2);
    assert_eq!(bench.ledger.count("second 0"), 1);
}

/// One at once.
#[durable(max_concurrent = 1)]
async fn sole(ctx: Ctx, name: String) -> Result<u32> {
    note(&ctx, format!("{name} {}", ctx.attempt()));
    ctx.resource::<Gates>()?.pass(&name).await;
    Ok(ctx.attempt())
}

/// C-Q3: a place is held with a lease that ran out, too: whoever takes the task over has it.
async fn a_lost_holder_holds_its_place(bench: Bench) {
    let first = working(&bench, functions![sole]).await;
    let lost = first.stent.dispatch(sole("lost".into())).await.unwrap().id();
    bench.sees("it runs", || bench.ledger.count("lost 1") == 1).await;
    kill(&bench, first).await;
    let second = worker_of(&bench, functions![sole]).await;
    let next = second.stent.dispatch(sole("next".into()).priority(9)).await.unwrap();
    bench.until("it is taken over", bench.sees("it is taken over", || bench.ledger.count("lost 2") == 1)).await;
    bench.pass(Duration::from_secs(10)).await;
    assert_eq!(bench.ledger.all(), ["lost 1", "lost 2"], "the place is the lost one's");
    bench.gates.open("lost");
    assert_eq!(bench.until("the result", second.stent.execution::<u32>(lost).result()).await.unwrap(), 2);
    bench.gates.open("next");
    assert_eq!(bench.until("the result", next.result()).await.unwrap(), 1);
}

on_every_backend![
    a_limit_is_exact_over_all_workers,
    a_suspended_holder_holds_its_place,
    who_waits_for_a_retry_holds_no_place,
    recursion_locks_nobody_up,
    a_lost_holder_holds_its_place,
];
