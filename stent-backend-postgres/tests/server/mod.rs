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

    /// How to open it, by a few connections: tests run side by side.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.url).schema(&self.name).pool(4)
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.name);
        let url = self.url.clone();
        // A runtime of its own: the test's may be ending.
        let dropping = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&url, NoTls).await.ok()?;
                tokio::spawn(connection);
                client.batch_execute(&drop).await.ok()
            })
        });
        // What is left behind ends with the server.
        let _ = dropping.join();
    }
}
