//! Arguments that are borrowed, and a context that is.

use stent_executor::prelude::*;

#[durable]
async fn charge(ctx: &Ctx, order: &str, lines: Vec<&'static str>) -> Result<()> {
    let _ = (ctx, order, lines);
    Ok(())
}

fn main() {}
