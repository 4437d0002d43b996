//! Cancellation with all that hangs below (C-X1, C-Y6, C-R9).

use stent_core::task::TaskState;
use stent_core::{TaskId, Timestamp};

use super::store::{CancelledBy, Tables};

impl Tables {
    /// Cancels a task, if it is open, and all open tasks below it. `by` is kept with all of them, so that a resumption can find them.
    pub(super) fn cancel_open(&mut self, now: Timestamp, task: TaskId, by: Option<CancelledBy>) {
        if self.tasks.get(&task).is_none_or(|row| !row.is_open()) {
            return;
        }
        self.change(task, |row| {
            (row.state, row.ended_at, row.cancelled_by) = (TaskState::Cancelled, Some(now), by);
        });
        self.cancel_below(now, task, by);
    }

    /// Cancels all open tasks below a task. They hang together: below a task that has ended none is open.
    pub(super) fn cancel_below(&mut self, now: Timestamp, task: TaskId, by: Option<CancelledBy>) {
        let open: Vec<TaskId> = self.children(task).filter(|child| child.is_open()).map(|child| child.id).collect();
        for child in open {
            self.cancel_open(now, child, by);
        }
    }
}
