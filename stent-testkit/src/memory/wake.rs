//! The ends of waits: what makes a suspended task pending (C-Q4, C-Q5).

use std::ops::Range;

use stent_core::operation::OperationId;
use stent_core::task::{TaskState, Wait};
use stent_core::{ExecutionId, TaskId, Timestamp};

use super::store::Tables;

impl Tables {
    /// Whether one of a task's waits is over. What a task waits for exists.
    pub(super) fn is_over(&self, task: TaskId, execution: ExecutionId, generation: u32, wait: &Wait) -> bool {
        match wait {
            Wait::Child(child) => self.tasks.get(child).is_some_and(|row| !row.is_open()),
            Wait::Map { operation, items, settled } => {
                self.is_range_closed(task, generation, operation, items.clone(), *settled)
            }
            Wait::Signal(name) => self.slots.contains_key(&(execution, name.clone())),
        }
    }

    /// Whether a map's range has no open item left or, unless the map is settled, a failed one.
    fn is_range_closed(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: Range<u32>,
        settled: bool,
    ) -> bool {
        let states = || self.items(parent, generation, operation, items.clone()).map(|(_, row)| row.state);
        let has_failed = || !settled && states().any(|state| state == TaskState::Failed);
        self.has_no_open(parent, generation, operation, items.clone()) || has_failed()
    }

    /// Whether a map's range has no open item left.
    fn has_no_open(&self, parent: TaskId, generation: u32, operation: &OperationId, items: Range<u32>) -> bool {
        // From the end: the last items are mostly the last to close.
        self.items(parent, generation, operation, items).rev().all(|(_, row)| row.state.is_final())
    }

    /// The same for a range whose items may not exist yet: then it is not over.
    pub(super) fn is_range_over(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: Range<u32>,
        settled: bool,
    ) -> bool {
        let states = || self.items(parent, generation, operation, items.clone()).map(|(_, row)| row.state);
        let has_failed = !settled && states().any(|state| state == TaskState::Failed);
        has_failed || (states().count() == items.len() && states().all(TaskState::is_final))
    }

    /// Wakes the parent of a task that has just ended, if it is suspended and that ends one of its waits: any call's end does, a map item's if its range is over.
    pub(super) fn wake_parent_of(&mut self, now: Timestamp, child: TaskId) {
        let Some(row) = self.tasks.get(&child) else { return };
        let Some(made) = &row.made else { return };
        let Some(parent) = row.parent.and_then(|parent| self.tasks.get(&parent)) else { return };
        if parent.state != TaskState::Suspended || parent.generation != made.generation {
            return;
        }
        let ends = |wait: &Wait| match (wait, made.index) {
            (Wait::Map { operation, items, settled }, Some(index)) => {
                // An item that failed before would have woken the parent, or kept it from its suspension.
                let fails = !settled && row.state == TaskState::Failed;
                *operation == made.operation
                    && items.contains(&index)
                    && (fails || self.has_no_open(parent.id, parent.generation, operation, items.clone()))
            }
            _ => false,
        };
        if made.index.is_none() || parent.waits.iter().any(ends) {
            let parent = parent.id;
            self.wake(now, parent);
        }
    }

    /// Wakes the suspended tasks of an execution that wait for a signal of this name.
    pub(super) fn wake_waiting_for(&mut self, now: Timestamp, execution: ExecutionId, wait: &Wait) {
        let waiting = self.open().filter(|row| row.execution == execution && row.state == TaskState::Suspended);
        let waiting: Vec<TaskId> = waiting.filter(|row| row.waits.contains(wait)).map(|row| row.id).collect();
        for task in waiting {
            self.wake(now, task);
        }
    }

    fn wake(&mut self, now: Timestamp, task: TaskId) {
        self.change(task, |row| (row.state, row.due) = (TaskState::Pending, Some(now)));
    }
}
