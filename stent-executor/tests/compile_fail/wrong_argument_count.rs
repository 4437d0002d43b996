//! An argument too few, and one too many.

use stent_executor::prelude::*;

#[durable]
async fn charge(order: String, cents: u64) -> Result<u64> {
    let _ = order;
    Ok(cents)
}

fn main() {
    let _ = charge("one".to_owned());
    let _ = charge("one".to_owned(), 2, 3);
}
