//! Completion: claims are given up.

use async_trait::async_trait;

use crate::commit::{Commit, Suspended};
use crate::error::BackendError;
use crate::task::{Suspension, TaskEnd};
use crate::time::Timestamp;

/// Claims are given up.
#[async_trait]
pub trait Completion: Send + Sync {
    /// Ends claims; answers per end. Each end and all its effects are one transaction.
    ///
    /// - C-Q2 Fenced by the claim. A repeat of an end that was applied is `Applied` and acts once; the row keeps the token that ended it.
    /// - C-Y6 With a final end open tasks below become `cancelled`, the place of a limited function is free (C-Q3), a
    ///   suspended parent whose wait is over becomes `pending` (C-Q5).
    /// - C-K2 `Completed` stores the result under the task's memo key, if it has one and nothing unexpired is stored there.
    /// - C-V1 `Completed` applies its variables in order and appends its notes to the journal.
    /// - C-Y5 `Failed` stores the dead letter, if there is one, and from where a redrive would go on.
    /// - C-Y3 `Retry` schedules the task for `at` (pending if that is not after `now`) and keeps the failure. `Restart` begins a new generation if the journal
    ///   is not empty, and cancels what the old one left open. `At` cuts the journal: `order` entries that opened the point's turn or a later one are
    ///   deleted, and all others but `made` written in or after it become written after the turn before. Then the point's operation is reopened: its
    ///   outcome entry is deleted; its failed child, and of a map every failed item, becomes pending with fresh attempts from where its own end said, and
    ///   so on down to the cause, and loses its dead letter; and what this task cancelled in or after that turn is pending again. The task's own
    ///   attempts go on: one is counted here if the journal is not empty after the cut, since no claim will count it.
    /// - C-Y4 `Released` gives back the attempt that its claim counted, and makes the task pending with the due time it had, or scheduled if
    ///   `until` is after `now`.
    /// - C-Q3 `Retry` gives the place back; `Released` does too if the journal is empty.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Result<Vec<Commit>, BackendError>;

    /// Suspends tasks that only wait; answers per suspension.
    ///
    /// - C-Q5 `Awake`, and nothing written, if a wait is over: an awaited child has ended; a map's range has no open item left, or a failed one
    ///   and is not settled; a slot holds a value; `until` is not after `now`.
    /// - C-Q4 A suspended task is made `pending`, in the transaction of the event, by: the end of a child of one of its calls; the end of the last open item of an awaited range,
    ///   or a failed item of a range that is not settled; a send to an awaited slot. A claim makes it `pending` when `until` has come.
    /// - C-Q3 It keeps its place of a limited function.
    /// - C-Q2 Fenced by the claim, which is given up. A repeat is `Yes` while the task is still suspended by it.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Result<Vec<Suspended>, BackendError>;
}
