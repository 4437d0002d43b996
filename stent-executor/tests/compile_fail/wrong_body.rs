//! A body that is wrong: the compiler points into it, not at the attribute.

use stent_executor::prelude::*;

#[durable]
async fn charge(cents: u64) -> Result<String> {
    if cents > 100 {
        return Err("too much".into());
    }
    Ok(cents)
}

fn main() {}
