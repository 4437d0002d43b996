//! Claims: tasks are taken, kept and let go.

use async_trait::async_trait;

use crate::claim::{Claim, ClaimRequest, Claimed, Renewal};
use crate::error::BackendError;
use crate::id::WorkerId;
use crate::time::Timestamp;
use crate::worker::WorkerRecord;

/// Tasks are taken, kept and let go.
#[async_trait]
pub trait Claims: Send + Sync {
    /// Claims up to `request.limit` tasks.
    ///
    /// - C-Q1 First makes what is due `pending`: scheduled tasks, and suspended ones whose timer has come, at most
    ///   [`limits::BATCH`](crate::limits::BATCH) in due order.
    /// - C-Q1 Order: priority (high first), due time, id (those of executions and of a map's items grow with age).
    /// - C-Q1 Filters apply before the limit: an empty answer means that nothing eligible was free. Queue: one of `queues`, or none; no `queues`: any.
    ///   Tags: one in common, or none on the task; no `tags`: any.
    /// - C-R7 Only tasks of a listed function, and of the listed version of it.
    /// - C-Q2 Running tasks whose lease has ended by `now` (at exactly `now`, too) are free like pending ones, if `take_expired`. No two claims hold one task. A repeat
    ///   with the same token answers with the same tasks and takes no others.
    /// - C-Q3 A limited function has at most `max_concurrent` places over all workers. A task takes one with its claim and holds it, running, suspended,
    ///   pending again or with its lease run out, until it ends or waits for a retry; those of its ancestors are not counted against it; one that holds a place is always eligible.
    /// - C-Y4 With an empty journal the claim counts an attempt and begins the journal's time. With a non-empty one it counts none, unless
    ///   the task has none (a redrive or a release took them back); `deliveries` grows if the claim before ran out and wrote no entry, and is 0 otherwise.
    /// - C-Q1 A poll (`is_poll`) takes and answers what any other claim does.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are answered apart, claimed (S19).
    async fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Result<Claimed, BackendError>;

    /// Renews claims for `worker.lease` from `now`, and announces the worker; answers per claim.
    ///
    /// - C-Q2 A claim whose lease has run out is renewed if nobody has taken the task since.
    /// - C-X1 A claim of a cancelled task is `Cancelled`, any other that does not hold is `Lost`.
    /// - The worker's record is stored with `seen_at = now`, also with no claims.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn renew(
        &self,
        now: Timestamp,
        worker: &WorkerRecord,
        claims: &[Claim],
    ) -> Result<Vec<Renewal>, BackendError>;

    /// Lets the claims of a worker run out at `now`, because its process is known to be gone, and marks it `stopped` (C-Q6). Answers with how
    /// many tasks it held.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn lapse(&self, now: Timestamp, worker: WorkerId) -> Result<u32, BackendError>;
}
