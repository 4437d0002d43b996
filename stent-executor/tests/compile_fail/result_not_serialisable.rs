//! A result that cannot be stored.

use stent_executor::prelude::*;

pub struct Receipt {
    pub cents: u64,
}

#[durable]
async fn charge(cents: u64) -> Result<Receipt> {
    Ok(Receipt { cents })
}

fn main() {}
