//! One function calls another twice, the second time with what the first time gave.

use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::task::TaskState;
use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_scenarios::{Bench, Stage, at_every_concurrency, work};
use stent_testkit::faulty::{Fault, Moment};

const LEASE: Duration = Duration::from_secs(10);

#[durable]
async fn add(ctx: Ctx, x: u64, y: u64) -> Result<u64> {
    work(&ctx, format!("add {x} {y}"), "500ms").await?;
    Ok(x + y)
}

#[durable]
async fn main_flow(ctx: Ctx, start: u64) -> Result<u64> {
    let sum = ctx.call(add(start, 10)).await?;
    ctx.call(add(sum, 5)).await
}

/// C-R1, C-X3, C-V2: three tasks that follow each other, and one execution that is pending, running and then completed.
async fn it_adds_twice_and_shows_where_it_is(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    let functions = || functions![add, main_flow];
    let client = bench.process(functions()).await.stent;
    let execution = client.dispatch(main_flow(100)).await.unwrap();
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Pending);

    let _process = stage.process(&bench, functions(), |worker| worker.concurrency(concurrency)).await;
    bench.settle().await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    assert_eq!(bench.until("the sum", execution.result()).await.unwrap(), 115);
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Completed);

    let tasks = bench.tasks(execution.id()).await;
    let names: Vec<_> = tasks.iter().map(|task| task.function.as_str().rsplit("::").next().unwrap()).collect();
    assert_eq!(names, ["main_flow", "add", "add"]);
    assert!(tasks.iter().all(|task| task.state == TaskState::Completed && task.attempt == 1), "{tasks:?}");
    let times: Vec<_> = [0, 1, 2].map(|at| (tasks[at].started_at.unwrap(), tasks[at].ended_at.unwrap())).into();
    assert!(times[0].0 <= times[1].0 && times[1].1 <= times[2].0 && times[2].1 <= times[0].1, "{times:?}");
    assert_eq!(bench.ledger.all(), ["add 100 10", "add 110 5"]);
}

/// C-R1, B1: whoever goes on after a crash has the first sum from the journal.
async fn a_worker_that_is_killed_after_the_first_sum_repeats_nothing(bench: Bench, concurrency: usize) {
    let stage = Stage::on(&bench).await;
    stage.crash("add 110 5");
    let start =
        || stage.process(&bench, functions![add, main_flow], |worker| worker.concurrency(concurrency).lease(LEASE));
    let first = start().await;
    let execution = first.stent.dispatch(main_flow(100)).await.unwrap();
    bench.until("the crash", stage.crashed(1)).await;
    first.die(&bench).await;

    let second = start().await;
    let execution = second.stent.execution::<u64>(execution.id());
    assert_eq!(bench.until("the sum", execution.result()).await.unwrap(), 115);
    assert_eq!(bench.ledger.all(), ["add 100 10", "add 110 5"]);
    assert_eq!(bench.tasks(execution.id()).await.len(), 3);
    assert!(stage.repeated().is_empty());
}

/// C-R1, C-Q2: wherever in its work with the store a worker is killed, what was recorded stands.
async fn a_worker_that_is_killed_at_any_call_loses_nothing_and_repeats_nothing(bench: Bench, concurrency: usize) {
    let mut points = 0;
    // A third of the points at each concurrency.
    let first = [1, 2, 20].iter().position(|of| *of == concurrency).unwrap() + 1;
    for moment in [Moment::Before, Moment::After] {
        for call in (first..).step_by(3) {
            if !is_killed_at(&bench.another(), concurrency, call, moment).await {
                break;
            }
            points += 1;
        }
    }
    assert!(points > 3, "only {points} points");
}

/// Kills the worker at its `call`-th call from the dispatch on; false if the sum was there before.
async fn is_killed_at(bench: &Bench, concurrency: usize, call: usize, moment: Moment) -> bool {
    let stage = Stage::on(bench).await;
    let start =
        || stage.process(bench, functions![add, main_flow], |worker| worker.concurrency(concurrency).lease(LEASE));
    let (client, first) = (bench.process(functions![add, main_flow]).await, start().await);
    first.plan.plan(call, Fault::Dies(moment));
    let execution = client.stent.dispatch(main_flow(100)).await.unwrap();
    let is_dead = async {
        while !first.plan.is_dead() {
            tokio::task::yield_now().await;
        }
    };
    let is_killed = bench
        .until("the crash, or the sum", async {
            tokio::select! {
                biased;
                () = is_dead => true,
                _ = execution.result() => false,
            }
        })
        .await;
    first.die(bench).await;

    let second = start().await;
    assert_eq!(second.worker().state(), WorkerState::Ready);
    assert_eq!(bench.until("the sum", execution.result()).await.unwrap(), 115, "call {call}, {moment:?}");
    let most = if is_killed { 2 } else { 1 };
    for effect in ["add 100 10", "add 110 5"] {
        let count = bench.ledger.count(effect);
        assert!((1..=most).contains(&count), "call {call}, {moment:?}: {effect} ran {count} times");
    }
    assert_eq!(bench.tasks(execution.id()).await.len(), 3);
    assert!(stage.repeated().is_empty(), "call {call}, {moment:?}: {:?}", stage.repeated());
    is_killed
}

at_every_concurrency![
    it_adds_twice_and_shows_where_it_is,
    a_worker_that_is_killed_after_the_first_sum_repeats_nothing,
    a_worker_that_is_killed_at_any_call_loses_nothing_and_repeats_nothing,
];
