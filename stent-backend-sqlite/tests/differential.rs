//! The differential test of `stent-testkit`: random histories have the answers of the reference model, on a file of its own each.

#![expect(clippy::expect_used, reason = "a test says what it expects by failing")]

use std::sync::Arc;

use async_trait::async_trait;
use stent_backend_sqlite::{SqliteOptions, Synchronous};
use stent_core::Backend;
use stent_testkit::conformance::Store;
use tempfile::TempDir;

struct File(TempDir);

#[async_trait]
impl Store for File {
    async fn open(&self) -> Arc<dyn Backend> {
        // What a commit waits for changes no answer, and a disk makes histories slow.
        let options = SqliteOptions::new(self.0.path().join("stent.db")).synchronous(Synchronous::Normal);
        Arc::new(options.open().await.expect("the file can be opened"))
    }
}

stent_testkit::differential!(|| async { File(TempDir::new().expect("a directory can be made")) });
