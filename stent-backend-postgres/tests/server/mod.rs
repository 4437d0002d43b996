//! Schemas on the server that tests are lent.

use std::thread;

use stent_backend_postgres::PostgresOptions;
use tokio_postgres::NoTls;

/// A schema of a test's own, dropped with it.
pub(crate) struct Schema {
    pub(crate) url: String,
    pub(crate) name: String,
}

impl Schema {
    pub(crate) fn new() -> Self {
        let url = std::env::var("STENT_TEST_POSTGRES_URL");
        let url = url.expect("a server is named by STENT_TEST_POSTGRES_URL: run the tests by `cargo xtask test`, or in `cargo xtask postgres -- …`");
        Self { url, name: format!("test_{}", uuid::Uuid::new_v4().simple()) }
    }

    /// How to open it, by a few connections: tests run side by side. They bear the schema's name.
    pub(crate) fn options(&self) -> PostgresOptions {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        let url = format!("{}{mark}application_name={}", self.url, self.name);
        PostgresOptions::new(url).schema(&self.name).pool(4)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let (url, name) = (self.url.clone(), self.name.clone());
        // A runtime of its own: the test's may be ending.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(drop_schema(&url, &name))
        });
        // What is left behind ends with the server.
        let _ = dropping.join();
    }
}

/// Drops it, for which whoever is in the middle of a transaction in it has to go: that may be the test's own runtime, which waits for this.
async fn drop_schema(url: &str, name: &str) -> Option<()> {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.ok()?;
    tokio::spawn(connection);
    // Local, since a pooler may give the connection to others.
    let drop = format!("SET LOCAL lock_timeout = '100ms'; DROP SCHEMA IF EXISTS {name} CASCADE");
    for _ in 0..50 {
        let transaction = client.transaction().await.ok()?;
        if transaction.batch_execute(&drop).await.is_ok() {
            return transaction.commit().await.ok();
        }
        transaction.rollback().await.ok()?;
        let _ = client.query(TERMINATE, &[&name]).await;
    }
    None
}

const TERMINATE: &str = "
    SELECT pg_terminate_backend(l.pid)
    FROM pg_locks AS l
    JOIN pg_class AS c ON c.oid = l.relation
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND l.pid <> pg_backend_pid() AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
