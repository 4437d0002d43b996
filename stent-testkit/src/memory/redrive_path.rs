//! The way of a redrive, from the root to what it failed with (C-Y5).

use stent_core::TaskId;
use stent_core::commit::RefusedRedrive;
use stent_core::task::{Resume, TaskState};

use super::store::{Tables, TaskRow};

impl Tables {
    /// Follows the failures from a task down to their cause: each task's point names the failed child.
    ///
    /// # Errors
    /// Which task on the way cannot resume, the one nearest to where it began.
    pub(super) fn cause_below(&self, from: TaskId) -> Result<TaskId, RefusedRedrive> {
        let mut row = self.tasks.get(&from).ok_or(RefusedRedrive::Unknown)?;
        loop {
            if let (TaskState::Failed, Some(Resume::Refused(reason))) = (row.state, &row.resume) {
                return Err(RefusedRedrive::NotResumable { task: row.id, reason: reason.clone() });
            }
            let Some(named) = failed_with(row) else { return Ok(row.id) };
            row = match self.tasks.get(&named) {
                Some(child) if child.state == TaskState::Failed => child,
                _ => return Err(not_with(row, named)),
            };
        }
    }

    /// Whether a dead letter is what its execution failed with: each ancestor names the next task down, and its own point names none.
    ///
    /// # Errors
    /// Which task stands in the way, the one nearest to the dead letter.
    pub(super) fn is_cause(&self, dead: &TaskRow) -> Result<(), RefusedRedrive> {
        let mut below = dead;
        for above in self.ancestors(dead) {
            if failed_with(above) != Some(below.id) {
                return Err(not_with(above, below.id));
            }
            below = above;
        }
        match self.cause_below(below.id)? {
            cause if cause == dead.id => Ok(()),
            cause => Err(not_with(dead, cause)),
        }
    }
}

/// The failed child that a failed task's point names.
fn failed_with(row: &TaskRow) -> Option<TaskId> {
    match (row.state, &row.resume) {
        (TaskState::Failed, Some(Resume::At(point))) => point.child,
        _ => None,
    }
}

fn not_with(row: &TaskRow, cause: TaskId) -> RefusedRedrive {
    let reason = match &row.resume {
        Some(Resume::Refused(reason)) => reason.clone(),
        _ => format!("it is {}, and not by the failure of task {cause}", row.state),
    };
    RefusedRedrive::NotResumable { task: row.id, reason }
}
