//! A value that stays on one thread, held over an operation.

use std::rc::Rc;

use stent_executor::prelude::*;

#[durable]
async fn charge(ctx: Ctx) -> Result<u64> {
    let cents = Rc::new(2);
    ctx.sleep("1s").await?;
    Ok(*cents)
}

fn main() {}
