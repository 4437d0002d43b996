//! A function that is not async.

use stent_executor::prelude::*;

#[durable]
fn charge(cents: u64) -> Result<u64> {
    Ok(cents)
}

fn main() {}
