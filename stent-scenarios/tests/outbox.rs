//! An execution that is dispatched in the user's own transaction, and a worker that finds it.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use stent_backend_sqlite::SqliteBackend;
use stent_core::execution::ExecutionState;
use stent_executor::prelude::*;
use stent_executor::{ExecutionError, Stent};
use stent_scenarios::soon;

#[durable]
async fn ship(order: i64) -> Result<String> {
    Ok(format!("shipped {order}"))
}

/// S5: what is dispatched with a user's write runs if and only if that is committed.
#[tokio::test]
async fn an_order_and_its_shipment_are_committed_together() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("shop.db");
    let backend = SqliteBackend::open(&path).await.unwrap();
    let stent = Stent::builder(backend.clone()).functions(functions![ship]).poll("50ms").build().await.unwrap();
    let _worker = stent.worker().start().await.unwrap();
    let mut shop = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
    sqlx::query("CREATE TABLE orders (id INTEGER PRIMARY KEY)").execute(&mut shop).await.unwrap();

    let mut executions = Vec::new();
    for order in [7, 8] {
        let mut transaction = shop.begin_with("BEGIN IMMEDIATE").await.unwrap();
        sqlx::query("INSERT INTO orders VALUES (?)").bind(order).execute(&mut *transaction).await.unwrap();
        let shipment = stent.prepare(ship(order)).unwrap();
        executions.push(stent.execution::<String>(shipment.id));
        let _ = backend.dispatch_in(&mut transaction, stent.clock().now(), &[shipment]).await.unwrap();
        if order == 8 {
            transaction.rollback().await.unwrap();
        } else {
            transaction.commit().await.unwrap();
        }
    }
    assert_eq!(soon("the shipment", executions[0].result()).await.unwrap(), "shipped 7");
    assert_eq!(executions[0].status().await.unwrap(), ExecutionState::Completed);
    assert!(matches!(executions[1].status().await, Err(ExecutionError::NotFound)));
}
