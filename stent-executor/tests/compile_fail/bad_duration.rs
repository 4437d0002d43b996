//! Durations that are none.

use stent_executor::prelude::*;

#[durable(max_duration = "2 fortnights", retry(initial_delay = "-1s"))]
async fn charge(cents: u64) -> Result<u64> {
    Ok(cents)
}

fn main() {}
