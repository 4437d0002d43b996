//! The answers of the protocol. What it foresees is `Ok`; trouble is [`BackendError`](crate::BackendError).

use crate::execution::ExecutionState;
use crate::id::{ExecutionId, TaskId};
use crate::outcome::OperationOutcome;
use crate::payload::Payload;

/// The answer to a write under a claim (C-Q2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a lost claim means that nothing was written"]
pub enum Commit {
    /// It was written, now or by an earlier attempt at the same write.
    Applied,
    /// The task has been claimed by another, was cancelled or has ended: nothing was written.
    ClaimLost,
}

/// The answer to one turn's write.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a lost claim means that nothing was written"]
pub enum TurnCommit {
    /// It was written, now or by an earlier attempt; with what the take came to, if there was one.
    Applied {
        /// The outcome of the wait: the value that was taken, or `Elapsed`; `None` if the wait goes on, or nothing was to be taken.
        taken: Option<OperationOutcome>,
    },
    /// The task has been claimed by another, was cancelled or has ended: nothing was written.
    ClaimLost,
}

/// The answer to a suspension (C-Q5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "only `Yes` means that the task may leave memory"]
pub enum Suspended {
    /// The task is suspended and its claim given up.
    Yes,
    /// One of its waits is over: nothing was written, the claim stands.
    Awake,
    /// The claim was lost before.
    ClaimLost,
}

/// The answer to one dispatch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an existing or conflicting execution is not the one that was asked for"]
pub enum Dispatched {
    /// It exists from now on, or was made by an earlier attempt with the same id.
    Created,
    /// The dedup key belongs to this execution of the same function and input (C-K3).
    Existing(ExecutionId),
    /// The dedup key belongs to this execution of another function or input.
    Conflict(ExecutionId),
}

/// The answer to a cancellation (C-X1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an execution that had ended was not cancelled"]
pub enum Cancelled {
    /// It is cancelled, now or before.
    Done,
    /// It had ended otherwise; nothing changed.
    AlreadyFinal(ExecutionState),
    /// There is no such execution.
    Unknown,
}

/// The answer to a redrive (C-Y5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a refused redrive changed nothing"]
pub enum Redriven {
    /// The execution goes on from what failed.
    Done,
    /// It cannot; nothing changed.
    Refused(RefusedRedrive),
}

/// Why a redrive is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedRedrive {
    /// There is no such execution or dead letter.
    #[error("there is no such execution or dead letter")]
    Unknown,
    /// The execution has not ended in failure: it runs, completed or was cancelled.
    #[error("the execution is {0}; only a failed or timed-out one can be redriven")]
    State(ExecutionState),
    /// Retention has begun to delete it.
    #[error("the execution is being deleted")]
    Deleting,
    /// This task handled the failure, or made operations after it.
    #[error("task {task} cannot resume: {reason}")]
    NotResumable {
        /// The task nearest to the root that stands in the way.
        task: TaskId,
        /// Why it cannot resume.
        reason: String,
    },
}

/// The answer to a send (C-S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a signal to an unknown or finished execution was not stored"]
pub enum Sent {
    /// The value is in its slot, or was put there by an earlier attempt.
    Stored {
        /// True if it took the place of a value that nobody had taken.
        overwrote: bool,
    },
    /// There is no such execution.
    Unknown,
    /// The execution has ended.
    AlreadyFinal(ExecutionState),
}

/// The answer to a reservation (C-K2).
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "only `Yours` means that the task may run"]
pub enum Reserved {
    /// The key is this task's: it may run.
    Yours,
    /// The result is known.
    Value(Payload),
    /// Another open task holds the key.
    Held {
        /// The holder.
        by: TaskId,
        /// True if the holder is an ancestor, so that waiting for it would never end.
        is_ancestor: bool,
    },
    /// The claim was lost.
    ClaimLost,
}
