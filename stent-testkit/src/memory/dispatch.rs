//! Dispatch: executions begin, are cancelled, run out of time, and are taken up again.

use async_trait::async_trait;
use stent_core::backend::{Dispatch, RedriveTarget};
use stent_core::commit::{Cancelled, Dispatched, Redriven, RefusedRedrive};
use stent_core::execution::{ExecutionState, NewExecution};
use stent_core::task::TaskState;
use stent_core::{BackendError, ExecutionId, TaskId, Timestamp};

use super::MemoryBackend;
use super::store::{CancelledAt, CancelledBy, RootRow, Tables, TaskRow};

#[async_trait]
impl Dispatch for MemoryBackend {
    async fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Result<Vec<Dispatched>, BackendError> {
        Ok(self.transaction(|tables| executions.iter().map(|execution| tables.dispatch(now, execution)).collect()))
    }

    async fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Result<Cancelled, BackendError> {
        Ok(self.transaction(|tables| match tables.known(execution).map(TaskRow::execution_state) {
            None => Cancelled::Unknown,
            Some(ExecutionState::Cancelled) => Cancelled::Done,
            Some(state) if state.is_final() => Cancelled::AlreadyFinal(state),
            Some(_) => {
                tables.cancel_open(now, execution.root(), None);
                Cancelled::Done
            }
        }))
    }

    async fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Result<Redriven, BackendError> {
        Ok(self.transaction(|tables| match tables.redrivable(target) {
            Err(refused) => Redriven::Refused(refused),
            Ok(root) => {
                tables.reopen(now, root);
                // The budget begins anew (C-Y5).
                tables
                    .change(root, |row| row.root.deadline = row.root.max_duration.map(|duration| now.after(duration)));
                Redriven::Done
            }
        }))
    }

    async fn expire(&self, now: Timestamp, limit: u32) -> Result<Vec<ExecutionId>, BackendError> {
        Ok(self.transaction(|tables| {
            let open = tables.open();
            let mut passed: Vec<(Timestamp, ExecutionId)> = open
                .filter_map(|row| Some((row.root.deadline?, row.execution)))
                .filter(|(deadline, _)| *deadline <= now)
                .collect();
            passed.sort_unstable();
            passed.truncate(limit as usize);
            let passed: Vec<ExecutionId> = passed.into_iter().map(|(_, execution)| execution).collect();
            passed.iter().for_each(|execution| tables.time_out(now, execution.root()));
            passed
        }))
    }
}

impl Tables {
    /// Makes one execution.
    pub(super) fn dispatch(&mut self, now: Timestamp, new: &NewExecution) -> Dispatched {
        // A repeat makes nothing (C-Q2).
        if self.tasks.contains_key(&new.id.root()) {
            return Dispatched::Created;
        }
        // A key lasts as long as the row of its execution (C-K3, C-X3).
        if let Some(bearer) = new.dedup.as_ref().and_then(|key| self.dedup.get(key)) {
            let same = self.root(*bearer).is_some_and(|root| {
                root.call.function == new.task.function && root.call.fingerprint == new.task.fingerprint
            });
            return if same { Dispatched::Existing(*bearer) } else { Dispatched::Conflict(*bearer) };
        }
        let mut row = TaskRow::new(now, new.id.root(), new.id, new.task.clone()).born(now, new.born.clone());
        row.root = RootRow {
            max_duration: new.max_duration,
            deadline: new.deadline(),
            dedup: new.dedup.clone(),
            deleting: false,
        };
        self.insert(row);
        Dispatched::Created
    }

    /// Ends an execution whose deadline has passed (C-T3).
    fn time_out(&mut self, now: Timestamp, root: TaskId) {
        self.change(root, |row| (row.state, row.ended_at) = (TaskState::TimedOut, Some(now)));
        self.cancel_below(now, root, Some(CancelledBy { task: root, at: CancelledAt::End }));
    }

    /// The root from which a redrive begins, if it may.
    fn redrivable(&self, target: RedriveTarget) -> Result<TaskId, RefusedRedrive> {
        let (execution, dead) = match target {
            RedriveTarget::Execution(execution) => (execution, None),
            RedriveTarget::DeadLetter(task) => {
                let letter = self.dead_letters.get(&task).ok_or(RefusedRedrive::Unknown)?;
                (letter.execution, Some(self.tasks.get(&task).ok_or(RefusedRedrive::Unknown)?))
            }
        };
        let root = self.root(execution).ok_or(RefusedRedrive::Unknown)?;
        if root.root.deleting {
            return Err(RefusedRedrive::Deleting);
        }
        if !matches!(root.state, TaskState::Failed | TaskState::TimedOut) {
            return Err(RefusedRedrive::State(root.execution_state()));
        }
        match dead {
            Some(dead) => self.is_cause(dead)?,
            None => drop(self.cause_below(root.id)?),
        }
        Ok(root.id)
    }
}
