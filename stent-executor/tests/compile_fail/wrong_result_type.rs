//! A result that is taken for something else.

use stent_executor::prelude::*;

#[durable]
async fn charge(cents: u64) -> Result<u64> {
    Ok(cents)
}

#[durable]
async fn fulfil(ctx: Ctx) -> Result<()> {
    let receipt: String = ctx.call(charge(2)).await?;
    let _ = receipt;
    Ok(())
}

fn main() {}
