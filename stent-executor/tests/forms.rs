//! Every form that a durable function may have; what it may not have is in `compile_fail`.

use serde::{Deserialize, Serialize};
use stent_executor::Stent;
use stent_executor::prelude::*;
use stent_testkit::memory::MemoryBackend;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    id: u64,
}

#[derive(Debug, thiserror::Error, Serialize, Deserialize, ErrorClass)]
#[error_class(serialize)]
pub(crate) enum PaymentError {
    #[error("the gateway did not answer")]
    Timeout,
    #[error("declined: {0}")]
    Declined(String),
}

/// Without anything.
#[durable]
async fn nothing() -> Result<()> {
    Ok(())
}

/// With everything.
#[durable(
    name = "billing::charge", version = "2", alias = ["old::charge"], queue = "payments", tags = ["gpu"], priority = -5,
    retry(max_attempts = 5, initial_delay = "1s", factor = 2, max_delay = "1h30m", jitter = 0.1, retry_for = ["Timeout"],
        on_retry = "resume"),
    max_concurrent = 10, max_duration = "2d", cached(ttl = "1h"), key = order.id
)]
pub(crate) async fn charge(mut ctx: Ctx, order: Order, mut cents: u64) -> Result<u64, PaymentError> {
    ctx = ctx.clone();
    cents += 1;
    match (order.id, ctx.attempt()) {
        (0, _) => Err(PaymentError::Declined("no order".into())),
        (1, 1) => Err(PaymentError::Timeout),
        _ => Ok(cents),
    }
}

/// An error that is any error.
#[durable(idempotent)]
async fn boxed(_ctx: Ctx) -> std::result::Result<u64, Box<dyn std::error::Error + Send + Sync>> {
    Ok("12".parse::<u64>()?)
}

/// Calls itself by its own name.
#[durable]
async fn countdown(ctx: Ctx, from: u64) -> Result<u64> {
    if from == 0 {
        return Ok(0);
    }
    ctx.call(countdown(from - 1)).await
}

/// Borrows its own values in steps and maps.
#[durable]
async fn fulfil(ctx: Ctx, orders: Vec<Order>) -> Result<String> {
    let count = ctx.step("count", || async { Ok::<_, Failure>(orders.len()) }).await?;
    let charged = ctx.map(orders.iter().map(|order| charge(order.clone(), 2))).chunk(10).await?;
    let sum = ctx.map_fold(orders.into_iter().map(|order| charge(order, 3)), 0, |sum, _, cents| sum + cents).await?;
    let (left, right) = try_join!(ctx.call(nothing()), ctx.call(boxed()))?;
    let first = select! {
        value = ctx.call(countdown(right)) => value?,
        _ = ctx.sleep("1h") => 0,
    };
    Ok(format!("{count} {charged:?} {sum} {left:?} {first}"))
}

#[tokio::test]
async fn every_form_compiles_and_is_registered() {
    let functions = functions![nothing, charge, boxed, countdown, fulfil];
    let stent = Stent::builder(MemoryBackend::new()).functions(functions).build().await.unwrap();
    let call = fulfil(Vec::new()).queue("other").tags(["gpu"]).priority(3).delay("1s").max_duration("1h").dedup("key");
    stent.dispatch(call).await.unwrap();
    stent.dispatch(boxed().max_duration(std::time::Duration::ZERO)).await.unwrap();
}
