//! What the workers do: an order is parts, and a part is sawn and then painted.

use std::time::Duration;

use stent_executor::Stent;
use stent_executor::prelude::*;

use crate::{LEASE, open};

/// How many parts an order has.
pub(crate) const PARTS: u32 = 12;
/// What is done to each of them.
pub(crate) const STEPS: usize = 2;
/// How long a step takes.
const WORK: Duration = Duration::from_millis(400);

#[durable]
pub(crate) async fn order(ctx: Ctx, parts: u32) -> Result<Vec<String>> {
    ctx.map((1..=parts).map(assemble)).await
}

#[durable]
pub(crate) async fn assemble(ctx: Ctx, part: u32) -> Result<String> {
    ctx.step("saw", || work(part, "sawing")).await?;
    ctx.step("paint", || work(part, "painting")).await?;
    Ok(format!("part {part}"))
}

/// Says what it is at; the client hears it.
async fn work(part: u32, what: &str) -> Result<()> {
    println!("part {part}: {what}");
    tokio::time::sleep(WORK).await;
    Ok(())
}

/// A worker process: at work until it is told to stop.
pub(crate) async fn run(url: &str) -> Result<()> {
    let stent = Stent::builder(open(url).await?).functions(functions![assemble, order]).build().await?;
    let worker = stent.worker().concurrency(2).lease(LEASE).start().await?;
    println!("ready {}", worker.id());
    Ok(worker.run_until_shutdown().await?)
}
