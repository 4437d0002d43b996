//! What failed for good, one snapshot a root cause (C-Y5).

use crate::failure::Failure;
use crate::id::{ExecutionId, TaskId};
use crate::name::{FunctionName, QueueName};
use crate::payload::Payload;
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// The snapshot of a task that failed for good. It bears the task's id: a task has at most one.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The task, and the dead letter's own id.
    pub task: TaskId,
    /// Its execution.
    pub execution: ExecutionId,
    /// Its function.
    pub function: FunctionName,
    /// Its queue.
    pub queue: Option<QueueName>,
    /// Its arguments.
    pub input: Payload,
    /// Its retry policy, in the one stored format (C-Y2).
    pub retry: RetryPolicy,
    /// Attempts that were made.
    pub attempts: u32,
    /// Why it failed.
    pub failure: Failure,
    /// When it failed.
    pub at: Timestamp,
}
