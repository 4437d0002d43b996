//! Outcomes: what those who wait read.

use std::ops::Range;

use async_trait::async_trait;
use stent_core::backend::{Outcomes, Watch};
use stent_core::execution::ExecutionStatus;
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::task::MapItem;
use stent_core::{BackendError, ExecutionId, TaskId};

use super::MemoryBackend;
use super::store::{Tables, TaskRow};

#[async_trait]
impl Outcomes for MemoryBackend {
    async fn tasks(&self, tasks: &[TaskId]) -> Result<Vec<Option<Ended>>, BackendError> {
        let ended = |tables: &Tables, task| tables.tasks.get(task).and_then(TaskRow::ended);
        Ok(self.transaction(|tables| tasks.iter().map(|task| ended(tables, task)).collect()))
    }

    async fn map_items(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: Range<u32>,
    ) -> Result<Vec<MapItem>, BackendError> {
        let item =
            |(index, row): (u32, &TaskRow)| MapItem { index, fingerprint: row.call.fingerprint, ended: row.ended() };
        Ok(self.transaction(|tables| tables.items(parent, generation, operation, items).map(item).collect()))
    }

    async fn executions(&self, executions: &[ExecutionId]) -> Result<Vec<ExecutionStatus>, BackendError> {
        Ok(self.transaction(|tables| executions.iter().map(|execution| tables.status(*execution)).collect()))
    }

    async fn news(&self, watches: &[Watch]) -> Result<Vec<bool>, BackendError> {
        Ok(self.transaction(|tables| watches.iter().map(|watch| tables.is_news(watch)).collect()))
    }
}

impl Tables {
    fn status(&self, execution: ExecutionId) -> ExecutionStatus {
        match self.known(execution) {
            None => ExecutionStatus::Unknown,
            Some(root) => {
                root.ended().map_or_else(|| ExecutionStatus::Open(root.execution_state()), ExecutionStatus::Ended)
            }
        }
    }

    /// Whether a wait is over; one for a task that does not exist never is.
    fn is_news(&self, watch: &Watch) -> bool {
        match watch {
            Watch::Task(task) => self.tasks.get(task).is_some_and(|row| !row.is_open()),
            Watch::Map { parent, generation, operation, items, settled } => {
                self.is_range_over(*parent, *generation, operation, items.clone(), *settled)
            }
            Watch::Signal(execution, name) => self.slots.contains_key(&(*execution, name.clone())),
            Watch::Execution(execution) => self.known(*execution).is_none_or(|root| !root.is_open()),
        }
    }
}
