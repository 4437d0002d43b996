//! An argument of another type than the function's.

use stent_executor::prelude::*;

#[durable]
async fn charge(order: String, cents: u64) -> Result<u64> {
    let _ = order;
    Ok(cents)
}

#[durable]
async fn fulfil(ctx: Ctx) -> Result<u64> {
    ctx.call(charge("one".to_owned(), "two")).await
}

fn main() {}
