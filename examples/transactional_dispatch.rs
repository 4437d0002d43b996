//! An order and its shipment, both or none, on SQLite: `cargo run --example transactional_dispatch`.
//!
//! On PostgreSQL it is the same with a transaction of `tokio-postgres`: see `transactional_dispatch_postgres`.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use stent_backend_sqlite::SqliteBackend;
use stent_executor::Stent;
use stent_executor::prelude::*;

#[durable]
async fn ship(order: i64) -> Result<String> {
    Ok(format!("order {order} is shipped"))
}

/// Writes an order, and dispatches its shipment in the same transaction.
async fn place(
    shop: &mut SqliteConnection,
    backend: &SqliteBackend,
    stent: &Stent,
    order: i64,
    pays: bool,
) -> Result<()> {
    let mut transaction = shop.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query("INSERT INTO orders (id) VALUES (?)").bind(order).execute(&mut *transaction).await?;
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
    let file = "transactional_dispatch.db";
    let backend = SqliteBackend::open(file).await?;
    let stent = Stent::builder(backend.clone()).functions(functions![ship]).build().await?;
    let worker = stent.worker().start().await?;

    // Your tables and Stent's are in one file; the connection is yours.
    let mut shop = SqliteConnectOptions::new().filename(file).connect().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS orders (id INTEGER PRIMARY KEY)").execute(&mut shop).await?;
    sqlx::query("DELETE FROM orders").execute(&mut shop).await?;
    place(&mut shop, &backend, &stent, 1, true).await?;
    place(&mut shop, &backend, &stent, 2, false).await?;
    let (orders,): (i64,) = sqlx::query_as("SELECT count(*) FROM orders").fetch_one(&mut shop).await?;
    println!("{orders} order in the shop");

    worker.drain().await?;
    Ok(())
}
