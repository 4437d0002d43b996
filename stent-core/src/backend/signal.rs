//! Signals: values for executions.

use async_trait::async_trait;

use crate::commit::Sent;
use crate::error::BackendError;
use crate::signal::SignalSend;
use crate::time::Timestamp;

/// Values for executions. They are taken by turns ([`Journal::write`](super::Journal::write)).
#[async_trait]
pub trait Signals: Send + Sync {
    /// Puts a value into an execution's slot.
    ///
    /// - C-S1 One slot a name; a value that nobody has taken is overwritten, and the answer says so.
    /// - C-S3 Unknown or finished executions are answered as such. A repeated id does nothing and answers as the first did, as long as the execution is known: whatever
    ///   name, execution and value it comes with, the first one's stand.
    /// - C-Q5 Suspended tasks of the execution that wait for the name become `pending`.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn send(&self, now: Timestamp, send: &SignalSend) -> Result<Sent, BackendError>;
}
