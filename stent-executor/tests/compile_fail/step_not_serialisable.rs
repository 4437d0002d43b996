//! A step whose result cannot be stored.

use stent_executor::prelude::*;

struct Receipt;

#[durable]
async fn charge(ctx: Ctx) -> Result<()> {
    let _receipt = ctx.step("receipt", async || Ok::<_, Failure>(Receipt)).await?;
    Ok(())
}

fn main() {}
