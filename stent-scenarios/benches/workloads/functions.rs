//! The durable functions that are measured: they do nothing.

use stent_executor::prelude::*;

/// Does nothing.
#[durable(name = "nothing")]
pub(crate) async fn nothing(number: u32) -> Result<u32> {
    Ok(number)
}

/// Ten steps, one after the other.
#[durable(name = "ten steps")]
pub(crate) async fn ten_steps(ctx: Ctx, number: u32) -> Result<u32> {
    let mut sum = number;
    for step in 0..10 {
        sum += ctx.step("nothing", async || Ok::<_, Failure>(step)).await?;
    }
    Ok(sum)
}

/// Ten calls, one after the other.
#[durable(name = "ten calls")]
pub(crate) async fn ten_calls(ctx: Ctx, number: u32) -> Result<u32> {
    let mut sum = number;
    for _ in 0..10 {
        sum += ctx.call(nothing(number)).await?;
    }
    Ok(sum)
}

/// A map over so many items; their sum, so that no result is kept.
#[durable(name = "sums")]
pub(crate) async fn sums(ctx: Ctx, items: u32, chunk: u32) -> Result<u64> {
    ctx.map_fold((0..items).map(nothing), 0_u64, |sum, _, number| sum + u64::from(number)).chunk(chunk).await
}

/// Waits for a signal.
#[durable(name = "waits")]
pub(crate) async fn waits(ctx: Ctx) -> Result<u32> {
    ctx.signal("go").await
}
