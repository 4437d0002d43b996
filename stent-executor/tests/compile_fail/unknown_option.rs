//! Options that are misspelt, of the wrong form, or given twice.

use stent_executor::prelude::*;

#[durable(que = "payments", priority = "high", retry(max_attempt = 5), max_concurrent = 1, max_concurrent = 2)]
async fn charge(cents: u64) -> Result<u64> {
    Ok(cents)
}

#[durable]
async fn fulfil(ctx: Ctx) -> Result<u64> {
    ctx.call(charge(2)).await
}

fn main() {}
