//! What the tests look at: an order that completed, a map with a failure, one that waits for a signal, one that nobody runs.

use std::sync::Arc;
use std::time::Duration;

use stent_core::{Backend, ExecutionId};
use stent_executor::prelude::*;
use stent_executor::{Execution, Stent, functions};

#[durable(name = "shop::charge")]
async fn charge(order: u64) -> Result<u64> {
    Ok(order)
}

#[durable(name = "shop::order")]
async fn order(ctx: Ctx, orders: Vec<u64>) -> Result<u64> {
    ctx.counter("orders")?.add(2)?;
    ctx.value::<String>("note")?.set(&"a\u{1b}[2J".to_owned())?;
    let charged = ctx.map(orders.into_iter().map(charge)).await?;
    ctx.step("audit", async || Ok::<_, Failure>(())).await?;
    ctx.progress("all charged");
    ctx.sleep("1ms").await?;
    Ok(charged.into_iter().sum())
}

#[durable(name = "shop::broken", retry(max_attempts = 1))]
async fn broken(text: String) -> Result<()> {
    Err(Failure::msg(text))
}

/// Lives with the failure of what it calls.
#[durable(name = "shop::tolerant")]
pub(crate) async fn tolerant(ctx: Ctx) -> Result<bool> {
    Ok(ctx.call(broken("no stock".to_owned())).await.is_err())
}

#[durable(name = "shop::approve")]
async fn approve(ctx: Ctx) -> Result<u64> {
    ctx.signal::<u64>("approval").await
}

#[durable(name = "shop::later")]
async fn later(n: u64) -> Result<u64> {
    Ok(n)
}

/// The executions of the story.
pub(crate) struct Story {
    pub(crate) stent: Stent,
    pub(crate) order: ExecutionId,
    pub(crate) broken: [ExecutionId; 3],
    pub(crate) approve: Execution<u64>,
    pub(crate) later: ExecutionId,
}

/// Plays it to where all wait or have ended. Its worker goes on.
pub(crate) async fn play(backend: Arc<dyn Backend>) -> (Story, stent_executor::Worker) {
    let functions = functions![charge, order, broken, tolerant, approve];
    // What the program does is told to workers: none of it waits until they ask.
    let stent = Stent::with_backend(Arc::clone(&backend)).functions(functions).poll("1h").build().await.unwrap();
    let worker = stent.worker().concurrency(4).start().await.unwrap();
    worker.suspend_at_once(true);
    let ordered = stent.dispatch(order(vec![1, 2, 3])).await.unwrap();
    assert_eq!(ordered.result().await.unwrap(), 6);
    let mut failed = Vec::new();
    for text in ["no \u{1b}[31mstock", "no card", "no address"] {
        let execution = stent.dispatch(broken(text.to_owned())).await.unwrap();
        execution.result().await.unwrap_err();
        failed.push(execution.id());
    }
    let approve = stent.dispatch(approve()).await.unwrap();
    while stent.why(approve.id()).await.unwrap()[0].state != stent_core::task::TaskState::Suspended {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Of a program that does not run here.
    let other = Stent::with_backend(backend).functions(functions![later]).build().await.unwrap();
    let waiting = other.dispatch(later(1).queue("slow").tags(["eu"])).await.unwrap();
    let broken = failed.try_into().unwrap();
    (Story { stent, order: ordered.id(), broken, approve, later: waiting.id() }, worker)
}
