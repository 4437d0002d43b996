//! Executions: a dispatched call and all that it causes. An execution is its root task: one row, its state never copied.

mod state;

use std::time::Duration;

pub use state::ExecutionState;

use crate::failure::Failure;
use crate::id::ExecutionId;
use crate::name::{DedupKey, FunctionName, QueueName, Tag, Version};
use crate::outcome::Ended;
use crate::payload::Payload;
use crate::task::NewTask;
use crate::time::Timestamp;

/// An execution to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExecution {
    /// Its id, made by the caller, so that a repeat makes nothing twice.
    pub id: ExecutionId,
    /// Its root task.
    pub task: NewTask,
    /// The time it may take from `task.due` on; `None`: any (C-T3).
    pub max_duration: Option<Duration>,
    /// The caller's key: one execution bears it (C-K3).
    pub dedup: Option<DedupKey>,
    /// The root's result, if it is known: the execution is born completed (C-K1).
    pub born: Option<Payload>,
}

impl NewExecution {
    /// When its deadline passes.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.max_duration.map(|duration| self.task.due.after(duration))
    }
}

/// What a waiting client learns about an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum ExecutionStatus {
    /// There is none of this id, or it is being deleted.
    Unknown,
    /// It has not ended.
    Open(ExecutionState),
    /// It has.
    Ended(Ended),
}

/// An execution as an operator sees it, without its payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRecord {
    /// The execution.
    pub id: ExecutionId,
    /// The root's function.
    pub function: FunctionName,
    /// Its pinned version.
    pub version: Option<Version>,
    /// Its queue.
    pub queue: Option<QueueName>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its priority.
    pub priority: i32,
    /// Its state.
    pub state: ExecutionState,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When its root was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its deadline passes.
    pub deadline: Option<Timestamp>,
    /// Its final failure, or the one before the retry that it waits for.
    pub failure: Option<Failure>,
    /// The dedup key it bears.
    pub dedup: Option<DedupKey>,
}
