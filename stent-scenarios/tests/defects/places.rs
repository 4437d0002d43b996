//! Slots of a worker: whatever waits gives its slot back, and no wait takes one for good.

use std::sync::Arc;

use futures_util::future::join_all;
use stent_backend_sqlite::SqliteOptions;
use stent_core::Backend;
use stent_executor::Stent;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Process, Stage, on_every_backend, soon, work};

#[durable]
async fn leaf(ctx: Ctx, number: u32) -> Result<u32> {
    work(&ctx, format!("leaf {number}"), "1s").await?;
    Ok(number)
}

#[durable]
async fn gathers(ctx: Ctx, children: u32) -> Result<u32> {
    let numbers = join_all((0..children).map(|number| ctx.call(leaf(number)))).await;
    Ok(numbers.into_iter().collect::<Result<Vec<_>>>()?.iter().sum())
}

/// Every kind of wait at once.
#[durable]
async fn waits(ctx: Ctx, number: u32) -> Result<u32> {
    let mapped = ctx.map((0..3).map(leaf));
    let (child, mapped, _, signal) = try_join!(ctx.call(leaf(number)), mapped, ctx.sleep("2s"), async {
        ctx.signal::<u32>("go").timeout("3s").await
    })?;
    Ok(child + mapped.iter().sum::<u32>() + signal.unwrap_or(0))
}

async fn start(bench: &Bench, stage: &Stage, slots: usize) -> Process {
    stage.process(bench, functions![leaf, gathers, waits], |worker| worker.concurrency(slots)).await
}

/// C-Q4, B11: parents of children that run at once come through with any number of slots.
async fn parents_of_many_children_come_through_with_few_slots(bench: Bench) {
    for (slots, parents, children) in [(1, 1, 6), (2, 3, 6), (4, 8, 6), (4, 1, 12), (10, 1, 100)] {
        let bench = bench.another();
        let stage = Stage::on(&bench).await;
        stage.demand("leaf", slots);
        let process = start(&bench, &stage, slots).await;
        let executions = process.stent.dispatch_all((0..parents).map(|_| gathers(children))).await.unwrap();
        for execution in executions {
            let sum = bench.until("the sum", execution.result()).await.unwrap();
            assert_eq!(sum, (0..children).sum::<u32>(), "{slots} slots, {parents} parents of {children}");
        }
        assert_eq!(stage.peak("leaf"), slots, "as many at once as there are slots");
    }
}

/// C-Q4, B12: after all of that every slot is there again.
async fn waits_of_every_kind_give_back_every_slot(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let process = start(&bench, &stage, 3).await;
    let executions = process.stent.dispatch_all((0..5).map(waits)).await.unwrap();
    bench.settle().await;
    executions[0].signal("go", &100).await.unwrap();
    for (number, execution) in (0..).zip(&executions) {
        let expected = number + 3 + if number == 0 { 100 } else { 0 };
        assert_eq!(bench.until("the sum", execution.result()).await.unwrap(), expected);
    }
    bench.settle().await;
    assert!(process.worker().is_idle());
    let before = bench.now();
    let leaves = process.stent.dispatch_all((0..3).map(leaf)).await.unwrap();
    for leaf in leaves {
        bench.until("the leaf", leaf.result()).await.unwrap();
    }
    assert_eq!(bench.now().since(before).as_secs(), 1, "all three at once");
}

/// A leaf that asks the store for something, as code does that looks at another execution.
#[durable(cached)]
async fn looks(ctx: Ctx, number: u32) -> Result<u32> {
    let backend = ctx.resource::<Arc<dyn Backend>>()?;
    for _ in 0..3 {
        backend.execution(ctx.execution()).await?;
    }
    Ok(number)
}

#[durable]
async fn gathers_in_chains(ctx: Ctx, chains: u32) -> Result<u32> {
    let chain = |first: u32| {
        let ctx = &ctx;
        async move {
            let mut number = first;
            for _ in 0..4 {
                number = ctx.call(looks(number + chains)).await?;
            }
            Ok::<_, Failure>(number)
        }
    };
    let numbers = join_all((0..chains).map(chain)).await;
    Ok(numbers.into_iter().collect::<Result<Vec<_>>>()?.iter().sum())
}

/// C-Q4: a parent that waits for a slot holds no connection of which the code in that slot may be in need.
#[tokio::test]
async fn who_waits_for_a_slot_holds_no_connection() {
    let bench = Bench::sqlite();
    // Each of several such parents holds one; with a single connection one parent is enough.
    let backend: Arc<dyn Backend> =
        Arc::new(SqliteOptions::new(bench.file().unwrap()).readers(1).open().await.unwrap());
    let program = Stent::with_backend(Arc::clone(&backend)).resource(backend);
    let stent = program.functions(functions![looks, gathers_in_chains]).build().await.unwrap();
    let _worker = bench.worker(stent.worker().concurrency(1)).await;
    let parents = stent.dispatch_all((0..40).map(|number| gathers_in_chains(8 + number % 2))).await.unwrap();
    for parent in parents {
        soon("the sum", parent.result()).await.unwrap();
    }
}

on_every_backend![parents_of_many_children_come_through_with_few_slots, waits_of_every_kind_give_back_every_slot,];
