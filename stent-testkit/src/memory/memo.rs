//! Memo: shared results.

use async_trait::async_trait;
use stent_core::backend::Memos;
use stent_core::claim::Claim;
use stent_core::commit::Reserved;
use stent_core::memo::MemoMode;
use stent_core::{BackendError, Fingerprint, Payload, TaskId, Timestamp};

use super::MemoryBackend;
use super::store::{MemoRow, Tables};

#[async_trait]
impl Memos for MemoryBackend {
    async fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Result<Vec<Option<Payload>>, BackendError> {
        Ok(self.transaction(|tables| keys.iter().map(|key| tables.recall(now, *key)).collect()))
    }

    async fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Result<Reserved, BackendError> {
        Ok(self.transaction(|tables| tables.reserve(now, claim, key)))
    }
}

impl Tables {
    /// The result stored under a key; one that expires at exactly `now` is gone.
    fn recall(&self, now: Timestamp, key: Fingerprint) -> Option<Payload> {
        let row = self.memos.get(&key).filter(|row| row.expires_at.is_none_or(|expires_at| expires_at > now));
        row.and_then(|row| row.value.clone())
    }

    fn reserve(&mut self, now: Timestamp, claim: Claim, key: Fingerprint) -> Reserved {
        let Some(asking) = self.held(claim) else { return Reserved::ClaimLost };
        if let Some(value) = self.recall(now, key) {
            return Reserved::Value(value);
        }
        let owner = self.memos.get(&key).and_then(|row| self.tasks.get(&row.owner?));
        if let Some(holder) = owner.filter(|owner| owner.is_open() && owner.id != claim.task) {
            let is_ancestor = self.ancestors(asking).any(|above| above.id == holder.id);
            return Reserved::Held { by: holder.id, is_ancestor };
        }
        // In the place of what expired, too, so that its expiry does not end the reservation.
        self.memos.insert(key, MemoRow { owner: Some(claim.task), ..MemoRow::default() });
        Reserved::Yours
    }

    /// Stores the result of a task that has just completed under its memo's key; the first one stored wins (C-K2).
    pub(super) fn store_memo(&mut self, now: Timestamp, task: TaskId, output: &Payload) {
        let Some(memo) = self.tasks.get(&task).and_then(|row| row.call.memo) else { return };
        if self.recall(now, memo.key).is_some() {
            return;
        }
        let ttl = match memo.mode {
            MemoMode::Cached { ttl } => ttl,
            MemoMode::Idempotent => None,
        };
        let expires_at = ttl.map(|ttl| now.after(ttl));
        self.memos.insert(memo.key, MemoRow { value: Some(output.clone()), expires_at, owner: None });
    }
}
