//! The reference model passes the suite that it is the model of.

use std::sync::Arc;

use async_trait::async_trait;
use stent_core::Backend;
use stent_testkit::conformance::Store;
use stent_testkit::memory::{MemoryBackend, MemoryStore};

struct Memory(MemoryStore);

#[async_trait]
impl Store for Memory {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(MemoryBackend::open(&self.0))
    }
}

stent_testkit::conformance!(|| async { Memory(MemoryStore::new()) });
