//! The differential test of `stent-testkit`, on a schema of its own each history.

#![expect(clippy::expect_used, reason = "a test says what it expects by failing")]

mod server;

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::Backend;
use stent_testkit::conformance::Store;

use server::Schema;

#[async_trait]
impl Store for Schema {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(self.options().open().await.expect("the schema can be opened"))
    }
}

stent_testkit::differential!(|| async { Schema::new() });
