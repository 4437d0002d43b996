//! A function that returns nothing, and one that returns no `Result`.

use stent_executor::prelude::*;

#[durable]
async fn charge(cents: u64) {
    let _ = cents;
}

#[durable]
async fn count() -> u64 {
    1
}

fn main() {}
