//! One durable function calls another: `cargo run --example simple_flow`.

use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

/// A function without operations of its own: a child that any worker runs, retried if it fails.
#[durable]
async fn add(x: u64, y: u64) -> Result<u64> {
    Ok(x + y)
}

#[durable]
async fn main_flow(ctx: Ctx, start: u64) -> Result<u64> {
    let sum = ctx.call(add(start, 10)).await?;
    // Recorded: whoever goes on after a crash has the first sum, and does not add again.
    ctx.progress(format!("the first sum is {sum}"));
    ctx.call(add(sum, 5)).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("simple_flow.db").await?;
    let stent = Stent::builder(backend).functions(functions![add, main_flow]).build().await?;
    let worker = stent.worker().start().await?;

    let execution = stent.dispatch(main_flow(100)).await?;
    println!("100 + 10 + 5 = {}", execution.result().await?);
    println!("it is {}", execution.status().await?);

    worker.drain().await?;
    Ok(())
}
