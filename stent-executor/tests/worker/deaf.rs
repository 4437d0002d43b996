//! A backend without hints: what this process does it tells itself, and the rest is found by polling (L3).

use std::sync::Arc;
use std::time::Duration;

use stent_core::execution::ExecutionState;
use stent_core::worker::WorkerState;
use stent_executor::prelude::*;
use stent_executor::{Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use stent_testkit::memory::{MemoryBackend, MemoryStore};

use crate::bench::{add, soon};

#[durable]
async fn sum(ctx: Ctx, numbers: Vec<u32>) -> Result<u32> {
    let mut sum = 0;
    for number in numbers {
        sum = ctx.call(add(sum, number)).await?;
    }
    Ok(sum)
}

#[durable]
async fn answer(ctx: Ctx) -> Result<u32> {
    ctx.signal("go").await
}

/// A process of its own on the store.
async fn process(store: &MemoryStore, clock: &ManualClock, plan: &FaultPlan) -> Stent {
    let backend = FaultyBackend::new(Arc::new(MemoryBackend::open(store)), plan.clone()).without_hints();
    Stent::builder(backend)
        .functions(functions![add, sum, answer])
        .clock(Arc::new(clock.clone()))
        .build()
        .await
        .unwrap()
}

async fn worker(stent: &Stent) -> Worker {
    let worker = stent.worker().concurrency(2).start().await.unwrap();
    soon("ready", worker.wait_for(WorkerState::Ready)).await;
    worker
}

#[tokio::test]
async fn what_a_process_does_itself_it_waits_for_no_poll_of() {
    let (clock, plan) = (ManualClock::default(), FaultPlan::none());
    let stent = process(MemoryBackend::new().store(), &clock, &plan).await;
    let _worker = worker(&stent).await;
    let execution = stent.dispatch(sum(vec![1, 2, 3])).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 6);
    let waiting = stent.dispatch(answer()).await.unwrap();
    waiting.signal("go", &7).await.unwrap();
    assert_eq!(soon("the result", waiting.result()).await.unwrap(), 7);
}

#[tokio::test]
async fn what_other_processes_do_is_found_by_polling() {
    let (memory, clock, plan) = (MemoryBackend::new(), ManualClock::default(), FaultPlan::none());
    let client = process(memory.store(), &clock, &plan).await;
    let runner = process(memory.store(), &clock, &plan).await;
    let _worker = worker(&runner).await;
    let execution = client.dispatch(answer()).await.unwrap();
    client.dispatch(add(1, 1).delay("90s")).await.unwrap();
    let pass = async |time: Duration| {
        clock.advance(time);
        soon("everything is at rest", plan.settle()).await;
    };
    pass(Duration::from_secs(1)).await;
    assert_eq!(execution.status().await.unwrap(), ExecutionState::Running);
    execution.signal("go", &7).await.unwrap();
    for _ in 0..3 {
        pass(Duration::from_secs(1)).await;
    }
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 7);
}
