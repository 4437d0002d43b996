//! An order and its shipment, both or none, on PostgreSQL: `cargo run --example transactional_dispatch_postgres -- postgres://…`, or
//! `cargo xtask postgres -- cargo run --example transactional_dispatch_postgres` with a private server for the while.

use stent_backend_postgres::{PostgresBackend, PostgresOptions};
use stent_executor::Stent;
use stent_executor::prelude::*;
use tokio_postgres::{Client, NoTls};

#[durable]
async fn ship(order: i64) -> Result<String> {
    Ok(format!("order {order} is shipped"))
}

/// Writes an order, and dispatches its shipment in the same transaction.
async fn place(shop: &mut Client, backend: &PostgresBackend, stent: &Stent, order: i64, pays: bool) -> Result<()> {
    let mut transaction = shop.transaction().await?;
    transaction.execute("INSERT INTO orders (id) VALUES ($1)", &[&order]).await?;
    let shipment = stent.prepare(ship(order))?;
    let id = shipment.id;
    backend.dispatch_in(&mut transaction, stent.clock().now(), &[shipment]).await?;
    if !pays {
        // Neither the order nor its shipment has ever been.
        transaction.rollback().await?;
        if let Err(error) = stent.execution::<String>(id).status().await {
            println!("order {order} is not paid: {error}");
        }
        return Ok(());
    }
    transaction.commit().await?;
    println!("{}", stent.execution::<String>(id).result().await?);
    Ok(())
}

#[tokio::main]
async fn main() -> Result<()> {
    let given = std::env::args().nth(1).or_else(|| std::env::var("STENT_TEST_POSTGRES_URL").ok());
    let Some(url) = given else { bail!("which database? Give its address: postgres://me@localhost/test") };
    let backend = PostgresOptions::new(&url).schema("transactional_dispatch").open().await?;
    let stent = Stent::builder(backend.clone()).functions(functions![ship]).build().await?;
    let worker = stent.worker().start().await?;

    let (mut shop, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    shop.batch_execute("CREATE TEMPORARY TABLE orders (id bigint PRIMARY KEY)").await?;
    place(&mut shop, &backend, &stent, 1, true).await?;
    place(&mut shop, &backend, &stent, 2, false).await?;
    let orders: i64 = shop.query_one("SELECT count(*) FROM orders", &[]).await?.get(0);
    println!("{orders} order in the shop");

    worker.drain().await?;
    Ok(())
}
