//! The first example of the README, word for word.

use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[durable(retry(max_attempts = 5, initial_delay = "200ms"))]
async fn charge(order: u64, cents: u64) -> Result<String> {
    Ok(format!("order {order}: {cents} cents")) // call your gateway here; failures are retried
}

#[durable]
async fn fulfil(ctx: Ctx, orders: Vec<u64>) -> Result<Vec<String>> {
    let receipts = ctx.map(orders.into_iter().map(|order| charge(order, 4_200))).await?; // children, on any worker
    ctx.step("audit", async || {
        // code in this process, journaled
        println!("charged");
        Ok::<_, Failure>(())
    })
    .await?;
    ctx.sleep("50ms").await?; // "30d" costs the same: a row, not a worker
    Ok(receipts)
}

#[tokio::main]
async fn main() -> Result<()> {
    let backend = SqliteBackend::open("orders.db").await?;
    let stent = Stent::builder(backend).functions(functions![charge, fulfil]).build().await?;
    let worker = stent.worker().start().await?;

    let execution = stent.dispatch(fulfil(vec![17, 18])).await?;
    let receipts = execution.result().await?;
    assert_eq!(receipts, ["order 17: 4200 cents", "order 18: 4200 cents"]);

    worker.drain().await?;
    Ok(())
}
