//! Outcomes: what those who wait read.

use std::ops::Range;

use async_trait::async_trait;

use crate::error::BackendError;
use crate::execution::ExecutionStatus;
use crate::id::{ExecutionId, TaskId};
use crate::name::SignalName;
use crate::operation::OperationId;
use crate::outcome::Ended;
use crate::task::MapItem;

/// Something that a process waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watch {
    /// A task's end.
    Task(TaskId),
    /// A map's range: all its items' ends or, unless settled, the first failure.
    Map {
        /// The map's task.
        parent: TaskId,
        /// The generation of its journal.
        generation: u32,
        /// The map.
        operation: OperationId,
        /// The indexes.
        items: Range<u32>,
        /// True for `map_settled`.
        settled: bool,
    },
    /// A value in a slot.
    Signal(ExecutionId, SignalName),
    /// An execution's end, or its disappearance.
    Execution(ExecutionId),
}

/// What those who wait read.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// The ends of tasks; `None` for those that are open or unknown.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or an outcome cannot be read.
    async fn tasks(&self, tasks: &[TaskId]) -> Result<Vec<Option<Ended>>, BackendError>;

    /// The items of a map that exist in a range of indexes, by index.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or an outcome cannot be read.
    async fn map_items(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: Range<u32>,
    ) -> Result<Vec<MapItem>, BackendError>;

    /// The states of executions, with the outcomes of those that have ended.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or an outcome cannot be read.
    async fn executions(&self, executions: &[ExecutionId]) -> Result<Vec<ExecutionStatus>, BackendError>;

    /// Which of these waits are over: true for each that is. One query a process, however much it waits for.
    ///
    /// A range of a map is over only once its items exist.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn news(&self, watches: &[Watch]) -> Result<Vec<bool>, BackendError>;
}
