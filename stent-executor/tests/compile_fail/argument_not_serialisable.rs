//! An argument that cannot be stored.

use stent_executor::prelude::*;

pub struct Order {
    pub cents: u64,
}

#[durable]
async fn charge(order: Order) -> Result<u64> {
    Ok(order.cents)
}

fn main() {}
