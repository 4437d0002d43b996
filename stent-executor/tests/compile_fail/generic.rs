//! A generic function.

use stent_executor::prelude::*;

#[durable]
async fn charge<T>(order: T) -> Result<()>
where
    T: Send,
{
    let _ = order;
    Ok(())
}

fn main() {}
