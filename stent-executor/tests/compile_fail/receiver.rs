//! A method.

use stent_executor::prelude::*;

struct Shop;

impl Shop {
    #[durable]
    async fn charge(&self, cents: u64) -> Result<u64> {
        Ok(cents)
    }
}

fn main() {}
