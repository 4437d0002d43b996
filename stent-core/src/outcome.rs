//! How tasks and operations end.

use crate::failure::Failure;
use crate::payload::Payload;
use crate::time::Timestamp;

/// How a task or an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Its function returned a value.
    Completed(Payload),
    /// Its function failed for good.
    Failed(Failure),
    /// Its deadline passed (C-T3).
    TimedOut,
    /// It was cancelled, by a client or with what it belonged to.
    Cancelled,
}

/// An outcome and when it was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// When its transaction was made.
    pub at: Timestamp,
}

/// How an operation ended whose outcome is an entry of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationOutcome {
    /// It made a value.
    Completed(Payload),
    /// It failed for good.
    Failed(Failure),
    /// Its timeout passed first (C-S4, C-R9).
    Elapsed,
}
