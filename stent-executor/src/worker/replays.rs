//! Replays for their own sake: a task leaves memory at its first waits, so that a test sees whether its code comes back the same.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stent_core::TaskId;
use tokio::sync::watch;

/// The activations of each task, as far as they leave memory as soon as they only wait.
#[derive(Debug)]
pub(super) struct EarlyReplays {
    /// So many of each task.
    most: u32,
    begun: Mutex<HashMap<TaskId, u32>>,
    leave: watch::Sender<bool>,
}

impl EarlyReplays {
    pub(super) fn new(most: u32) -> Self {
        Self { most, begun: Mutex::default(), leave: watch::Sender::new(true) }
    }

    /// What tells an activation of this task to leave memory, if it is to leave at once.
    pub(super) fn begin(&self, task: TaskId) -> Option<watch::Receiver<bool>> {
        if self.most == 0 {
            return None;
        }
        let mut begun = self.begun();
        let count = begun.entry(task).or_default();
        *count = count.saturating_add(1);
        (*count <= self.most).then(|| self.leave.subscribe())
    }

    /// The task has ended, or begins anew.
    pub(super) fn forget(&self, task: TaskId) {
        if self.most > 0 {
            self.begun().remove(&task);
        }
    }

    fn begun(&self) -> MutexGuard<'_, HashMap<TaskId, u32>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use stent_core::{ExecutionId, Timestamp};

    use super::*;

    #[test]
    fn only_the_first_activations_of_a_task_leave_at_once() {
        let task = ExecutionId::new(Timestamp::EPOCH).root();
        let replays = EarlyReplays::new(2);
        let leaves = || replays.begin(task).is_some_and(|leave| *leave.borrow());
        assert_eq!([leaves(), leaves(), leaves()], [true, true, false]);
        replays.forget(task);
        assert!(leaves());
        assert!(EarlyReplays::new(0).begin(task).is_none());
    }
}
