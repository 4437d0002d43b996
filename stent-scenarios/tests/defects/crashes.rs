//! Leases and orphans: what a crash or a bad moment must not do.

use std::time::Duration;

use stent_core::task::TaskState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Gates, Ledger, Stage, on_every_backend, work};
use stent_testkit::faulty::{Fault, Moment};

const LEASE: Duration = Duration::from_secs(10);

#[durable]
async fn hold(ctx: Ctx) -> Result<u32> {
    ctx.resource::<Ledger>()?.note("hold");
    ctx.resource::<Gates>()?.pass("end").await;
    Ok(ctx.attempt())
}

/// C-Q2, B7: renewals that fail for a while cost no claim, and are made again as soon as they can be.
async fn renewals_that_fail_for_a_while_cost_no_claim(bench: Bench) {
    let process = bench.process(functions![hold]).await.work(&bench, |worker| worker.concurrency(1).lease(LEASE)).await;
    // Another worker would take the task if it could.
    let _other = bench.process(functions![hold]).await.work(&bench, |worker| worker.concurrency(1).lease(LEASE)).await;
    let execution = process.stent.dispatch(hold()).await.unwrap();
    bench.settle().await;
    let holder = bench.tasks(execution.id()).await[0].worker;
    for _ in 0..5 {
        process.plan.plan(1, Fault::Dies(Moment::Before));
        bench.pass(LEASE / 2 - Duration::from_millis(1)).await;
        process.plan.repair();
        let renewed = async {
            while bench.tasks(execution.id()).await[0].lease_until.unwrap() < bench.now().after(LEASE * 2 / 3) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        stent_scenarios::soon("the renewal", renewed).await;
    }
    assert_eq!(bench.tasks(execution.id()).await[0].worker, holder);
    bench.gates.open("end");
    assert_eq!(bench.until("the result", execution.result()).await.unwrap(), 1);
    assert_eq!(bench.ledger.all(), ["hold"]);
}

#[durable]
async fn part(ctx: Ctx, name: String) -> Result<String> {
    work(&ctx, format!("part {name}"), "20s").await?;
    Ok(name)
}

#[durable]
async fn whole(ctx: Ctx) -> Result<String> {
    let (a, b) = try_join!(ctx.call(part("a".into())), ctx.call(part("b".into())))?;
    Ok(a + &b)
}

/// C-R1, C-R2, B8: who goes on with a parent goes on with the children that it had.
async fn the_children_of_a_parent_that_was_killed_are_its_heirs(bench: Bench) {
    let stage = Stage::on(&bench).await;
    let _parts = stage.process(&bench, functions![part], |worker| worker.concurrency(2).lease(LEASE)).await;
    let whole_only = || stage.process(&bench, functions![whole], |worker| worker.concurrency(1).lease(LEASE));
    let parent = whole_only().await;
    let execution = parent.stent.dispatch(whole()).await.unwrap();
    bench.pass(Duration::from_secs(5)).await;
    parent.die(&bench).await;

    let heir = whole_only().await;
    let execution = heir.stent.execution::<String>(execution.id());
    assert_eq!(bench.until("the whole", execution.result()).await.unwrap(), "ab");
    let mut parts = bench.ledger.all();
    parts.sort();
    assert_eq!(parts, ["part a", "part b"]);
    let tasks = bench.tasks(execution.id()).await;
    assert_eq!(tasks.len(), 3);
    assert!(tasks.iter().all(|task| task.state == TaskState::Completed), "{tasks:?}");
}

on_every_backend![renewals_that_fail_for_a_while_cost_no_claim, the_children_of_a_parent_that_was_killed_are_its_heirs,];
