//! Variables of an execution.

use async_trait::async_trait;
use stent_core::backend::ReadVariables;
use stent_core::variable::{VariableChange, Variables};
use stent_core::{BackendError, ExecutionId, TaskId};

use super::MemoryBackend;
use super::store::Tables;

#[async_trait]
impl ReadVariables for MemoryBackend {
    async fn read(&self, execution: ExecutionId) -> Result<Variables, BackendError> {
        Ok(self.transaction(|tables| {
            let known = tables.known(execution).and_then(|_| tables.variables.get(&execution));
            known.cloned().unwrap_or_default()
        }))
    }
}

impl Tables {
    /// Changes the variables of a task's execution, in the order given (C-V1).
    pub(super) fn apply_variables(&mut self, task: TaskId, changes: &[VariableChange]) {
        let Some(execution) = self.tasks.get(&task).map(|row| row.execution) else { return };
        if changes.is_empty() {
            return;
        }
        let variables = self.variables.entry(execution).or_default();
        for change in changes {
            match change.clone() {
                VariableChange::InitCounter(name, number) => {
                    variables.counters.entry(name).or_insert(number);
                }
                VariableChange::Add(name, number) => {
                    let counter = variables.counters.entry(name).or_insert(0);
                    *counter = counter.saturating_add(number);
                }
                VariableChange::InitValue(name, value) => {
                    variables.values.entry(name).or_insert(value);
                }
                VariableChange::Set(name, value) => {
                    variables.values.insert(name, value);
                }
            }
        }
    }
}
