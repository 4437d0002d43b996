//! Memo: shared results.

use async_trait::async_trait;

use crate::claim::Claim;
use crate::commit::Reserved;
use crate::error::BackendError;
use crate::payload::{Fingerprint, Payload};
use crate::time::Timestamp;

/// Shared results. They are stored by completions.
#[async_trait]
pub trait Memos: Send + Sync {
    /// The results stored under these keys that have not expired by `now`.
    ///
    /// - C-K1 An empty result is a hit.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Result<Vec<Option<Payload>>, BackendError>;

    /// Reserves a key for a claimed task.
    ///
    /// - C-K2 `Value` if a result is stored; `Held` while another open task holds the key; `Yours` otherwise, also if the task holds it already. A holder that has ended without storing a
    ///   result holds nothing.
    /// - C-Q2 Fenced by the claim.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Result<Reserved, BackendError>;
}
