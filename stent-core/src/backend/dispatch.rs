//! Dispatch: executions begin, are cancelled, run out of time, and are taken up again.

use async_trait::async_trait;

use crate::commit::{Cancelled, Dispatched, Redriven};
use crate::error::BackendError;
use crate::execution::NewExecution;
use crate::id::{ExecutionId, TaskId};
use crate::time::Timestamp;

/// What to redrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedriveTarget {
    /// An execution, from whatever it failed with.
    Execution(ExecutionId),
    /// The execution of this dead letter, if this dead letter is what it failed with.
    DeadLetter(TaskId),
}

/// Executions begin and are taken up again.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// Makes executions with their root tasks, all of one call in one transaction; answers per item.
    ///
    /// - C-Q1 A root is `scheduled` if it is due after `now`, `pending` otherwise.
    /// - C-K3 A dedup key that an execution bears, also an earlier one of the batch, answers `Existing` if function and fingerprint are the same, and
    ///   `Conflict` if not; nothing is made.
    /// - C-T3 The deadline is `max_duration` after `task.due`.
    /// - C-K1 An item with a result is born completed and never claimed.
    /// - C-Q2 A repeat with the same id answers `Created` and makes nothing.
    /// - C-Q2 C-Y4 A root with a claim is born `running` under it, as if it had been claimed at `now`: its first attempt is counted, its journal begins. One that
    ///   was there before is not claimed: whoever had to repeat the call asks with the token.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble; then nothing, or all of it, was made.
    async fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Result<Vec<Dispatched>, BackendError>;

    /// Cancels an execution: its root and all open tasks below it become `cancelled`.
    ///
    /// - C-X1 One transaction; final; a repeat answers `Done`. No task of it is claimed and no write under its claims is applied afterwards.
    /// - C-X3 An execution that ended otherwise is `AlreadyFinal`; one that is being deleted is `Unknown`.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Result<Cancelled, BackendError>;

    /// Reopens a failed or timed-out execution along the path from its root to what it failed with.
    ///
    /// - C-Y5 The path begins at the root and follows each task's [`ResumePoint`](crate::task::ResumePoint) to the failed child that it names.
    ///   Every task on it must be resumable; a dead letter that is not the end of the path is refused with the task that stands in the way: the
    ///   nearest ancestor of it that handled its failure.
    /// - C-Y5 All tasks of the path become `pending` in one transaction, with fresh attempts; the deadline begins anew, `max_duration` from `now`; the
    ///   dead letters of tasks on the path are removed. A second redrive finds the execution open and is refused.
    /// - C-Y3 Each journal on the path is cut at its point (see [`Completion::complete`](super::Completion::complete)), and what the failure cancelled is
    ///   reopened: tasks below the resumed one that were cancelled by its end, or by it in the point's turn or later. A task that resumes with `Restart` begins a new generation.
    /// - C-T3 A timed-out root has no point: it goes on at its journal's end, and what its deadline cancelled is reopened.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Result<Redriven, BackendError>;

    /// Ends executions whose deadline has passed: at most `limit`, earliest deadline first, then by id; answers with those it ended.
    ///
    /// - C-T3 The root becomes `timed_out` and all open tasks below it `cancelled`: running, pending, scheduled or suspended, in one transaction an
    ///   execution. A deadline at exactly `now` has passed.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>, BackendError>;
}
