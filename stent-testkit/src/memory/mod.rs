//! The reference model: a backend in memory, in the plainest code that keeps the contracts. Every other backend is compared with it.
//!
//! All state is one set of ordered tables behind one lock, and a call is one transaction under it. The order of an execution's life:
//! `dispatch`, `claim`, `journal`, `complete`, `wait`; beside it `signal`, `memo`, `variables`, `inspect`, `maintain`.
//! What several of them do stands in files of its own: `store` holds the tables, `places` those of limited functions,
//! `cancel_below` ends what hangs on a task, `wake` ends suspensions, `reopen` takes failed tasks up again, along the
//! `redrive_path`. Nothing here reads a clock: `now` is an argument.

mod cancel_below;
mod claim;
mod complete;
mod dispatch;
mod inspect;
mod journal;
mod maintain;
mod memo;
mod places;
mod redrive_path;
mod reopen;
mod signal;
mod store;
mod variables;
mod wait;
mod wake;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use stent_core::backend::{HasWakeUps, Hint, WakeUps};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use store::Tables;

/// How many hints a slow reader may be behind before it is told [`Hint::Anything`].
const HINTS: usize = 1_024;

/// What a database is to a SQL backend: it outlives the backends that are opened on it. Clones are the same store.
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

struct Shared {
    tables: Mutex<Tables>,
    hints: broadcast::Sender<Hint>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared { tables: Mutex::default(), hints: broadcast::Sender::new(HINTS) }))
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

/// A handle on a [`MemoryStore`]. Several handles of one store are what several processes are to a database.
#[derive(Debug, Clone)]
pub struct MemoryBackend {
    store: MemoryStore,
}

impl MemoryBackend {
    /// A handle on an empty store of its own.
    #[must_use]
    pub fn new() -> Self {
        Self::open(&MemoryStore::new())
    }

    /// Another handle on a store.
    #[must_use]
    pub fn open(store: &MemoryStore) -> Self {
        Self { store: store.clone() }
    }

    /// The store, to open it again.
    #[must_use]
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// One transaction: nothing else reads or writes meanwhile; its hints go out after it.
    fn transaction<T>(&self, work: impl FnOnce(&mut Tables) -> T) -> T {
        let (answer, hints) = {
            let mut tables = self.store.0.tables.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = work(&mut tables);
            (answer, std::mem::take(&mut tables.hints))
        };
        for hint in hints {
            // An error says that nobody listens.
            let _ = self.store.0.hints.send(hint);
        }
        answer
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

struct Hints(broadcast::Receiver<Hint>);

#[async_trait]
impl WakeUps for Hints {
    async fn next(&mut self) -> Hint {
        match self.0.recv().await {
            Ok(hint) => hint,
            Err(RecvError::Lagged(_)) => Hint::Anything,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl HasWakeUps for MemoryBackend {
    fn wake_ups(&self) -> Option<Box<dyn WakeUps>> {
        Some(Box::new(Hints(self.store.0.hints.subscribe())))
    }
}
