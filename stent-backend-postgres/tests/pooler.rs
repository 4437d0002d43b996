//! The conformance suite as behind a pooler that gives out connections a transaction: a transaction finds nothing on its connection and leaves nothing there.

#![expect(clippy::expect_used, reason = "a test says what it expects by failing")]

mod server;

use std::sync::Arc;

use async_trait::async_trait;
use stent_backend_postgres::Pooler;
use stent_core::Backend;
use stent_testkit::conformance::Store;

use server::Schema;

#[async_trait]
impl Store for Schema {
    async fn open(&self) -> Arc<dyn Backend> {
        let options = self.options().pooler(Pooler::Transaction);
        Arc::new(options.open().await.expect("the schema can be opened"))
    }
}

stent_testkit::conformance!(|| async { Schema::new() });
