//! The journal: what a replay reads and what turns write.

use async_trait::async_trait;

use crate::commit::TurnCommit;
use crate::error::BackendError;
use crate::id::TaskId;
use crate::journal::{LoadedJournal, TurnWrite};
use crate::time::Timestamp;

/// What a replay reads and what turns write.
#[async_trait]
pub trait Journal: Send + Sync {
    /// All entries of a generation in order, and the children of its calls.
    ///
    /// - C-R10 Entries and children of other generations are not read.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a row of this journal cannot be read.
    async fn load(&self, task: TaskId, generation: u32) -> Result<LoadedJournal, BackendError>;

    /// Writes turns, each whole or not at all; answers per turn.
    ///
    /// - C-R5 A turn's entries, children, dispatches, cancellations, variables and take are one transaction.
    /// - C-Q2 Fenced by the claim. A repeat is `Applied`, acts once, and answers with the outcome of the take that was journaled.
    /// - C-S2 The take empties its slot and journals the value as `Outcome(Completed)` with the take's `seq`, `turn` and `at`. If the slot holds none, nothing is
    ///   taken and the rest is applied; a repeat then may take a value that has come since.
    /// - C-S4 A take with an `until` takes no value that was sent after it. If such a value is in the slot, or nothing is and the take's `at` is no earlier than
    ///   `until`, it journals `Outcome(Elapsed)` in the same place; a value stays where it is.
    /// - C-R9 Abandoned children and all open tasks below them become `cancelled`.
    /// - C-R10 Children are of the claim's task, one deeper than it, and of its execution and the turn's generation. A child with a result is born completed.
    /// - C-Q2 C-Y4 A child with a claim is born `running` under it, as a root is; see [`Dispatch::dispatch`](super::Dispatch::dispatch).
    /// - C-K1 A child's memo is used when it completes; one that is born stores nothing.
    /// - C-V1 Variables change in the order given, once.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a write breaks a rule of [`TurnWrite`].
    async fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Result<Vec<TurnCommit>, BackendError>;
}
