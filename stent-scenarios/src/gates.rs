//! Gates at which functions wait outside of their context, as code does that is at work, until a test opens them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

/// Gates by name, shut at first. Clones are the same gates; functions have them as a resource.
#[derive(Debug, Clone, Default)]
pub struct Gates(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

impl Gates {
    /// Waits until the gate of this name is open. Code that waits here runs: it holds its place and cannot be suspended.
    pub async fn pass(&self, name: &str) {
        let gate = self.gate(name);
        // A gate is never closed.
        let _ = gate.acquire().await;
    }

    /// Opens a gate for good.
    pub fn open(&self, name: &str) {
        self.gate(name).add_permits(Semaphore::MAX_PERMITS >> 1);
    }

    fn gate(&self, name: &str) -> Arc<Semaphore> {
        let mut gates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(0))))
    }
}
