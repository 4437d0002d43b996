//! What functions did, written down outside of the store: the effects that a promise is about.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Effects in the order in which they happened. Clones are the same ledger; functions have it as a resource.
#[derive(Debug, Clone, Default)]
pub struct Ledger(Arc<Mutex<Vec<String>>>);

impl Ledger {
    /// Writes an effect down.
    pub fn note(&self, effect: impl Into<String>) {
        self.effects().push(effect.into());
    }

    /// How often this effect happened.
    #[must_use]
    pub fn count(&self, effect: &str) -> usize {
        self.effects().iter().filter(|seen| *seen == effect).count()
    }

    /// All effects so far, in their order.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.effects().clone()
    }

    fn effects(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
