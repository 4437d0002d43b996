//! Functions without `#[durable]`.

use stent_executor::prelude::*;

async fn charge(cents: u64) -> Result<u64> {
    Ok(cents)
}

#[allow(non_camel_case_types)]
struct pack;

#[durable]
async fn fulfil(ctx: Ctx) -> Result<u64> {
    ctx.call(charge(2)).await
}

fn main() {
    let _ = functions![fulfil, charge];
    let _ = functions![pack];
}
