//! Functions that do one thing each.

use futures_util::future::try_join_all;
use stent_executor::Registration;
use stent_executor::prelude::*;
use stent_scenarios::Gates;

pub(crate) fn all() -> Vec<Registration> {
    functions![
        nothing,
        hold,
        steps,
        sleeps,
        listens,
        calls,
        calls_at_once,
        sleeps_at_once,
        steps_after_one_of_two_calls,
        steps_after_a_call,
        steps_after_a_call_that_may_elapse,
        maps,
    ]
}

#[durable]
pub(crate) async fn nothing(number: u32) -> Result<u32> {
    Ok(number)
}

/// Runs until the gate of this name is open.
#[durable]
pub(crate) async fn hold(ctx: Ctx, name: String) -> Result<()> {
    ctx.resource::<Gates>()?.pass(&name).await;
    Ok(())
}

/// Steps, one after the other.
#[durable]
pub(crate) async fn steps(ctx: Ctx, count: u32) -> Result<()> {
    for _ in 0..count {
        step(&ctx).await?;
    }
    Ok(())
}

#[durable]
pub(crate) async fn sleeps(ctx: Ctx) -> Result<()> {
    ctx.sleep("1h").await
}

#[durable]
pub(crate) async fn listens(ctx: Ctx) -> Result<u32> {
    ctx.signal("go").await
}

#[durable]
pub(crate) async fn calls(ctx: Ctx, gate: String) -> Result<()> {
    ctx.call(hold(gate)).await
}

/// So many calls, and nothing more. Each runs until the gate of its number is open.
#[durable]
pub(crate) async fn calls_at_once(ctx: Ctx, count: u32) -> Result<()> {
    try_join_all((0..count).map(|number| ctx.call(hold(number.to_string())))).await?;
    Ok(())
}

/// Three sleeps, each a second longer than the one before, and nothing more.
#[durable]
pub(crate) async fn sleeps_at_once(ctx: Ctx) -> Result<()> {
    try_join!(ctx.sleep("1s"), ctx.sleep("2s"), ctx.sleep("3s"))?;
    Ok(())
}

/// Two calls; a step follows the first.
#[durable]
pub(crate) async fn steps_after_one_of_two_calls(ctx: Ctx, first: String, second: String) -> Result<()> {
    let one = async {
        ctx.call(hold(first)).await?;
        step(&ctx).await
    };
    try_join!(one, ctx.call(hold(second)))?;
    Ok(())
}

#[durable]
pub(crate) async fn steps_after_a_call(ctx: Ctx, gate: String) -> Result<()> {
    ctx.call(hold(gate)).await?;
    step(&ctx).await
}

#[durable]
pub(crate) async fn steps_after_a_call_that_may_elapse(ctx: Ctx, gate: String) -> Result<()> {
    ctx.call(hold(gate)).timeout("1d").await?;
    step(&ctx).await
}

/// A map by chunks of ten.
#[durable]
pub(crate) async fn maps(ctx: Ctx, count: u32) -> Result<Vec<u32>> {
    ctx.map((0..count).map(nothing)).chunk(10).await
}

async fn step(ctx: &Ctx) -> Result<()> {
    ctx.step("step", async || Ok::<_, Failure>(())).await
}
