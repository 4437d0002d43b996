//! Failed tasks are taken up again (C-Y3, C-Y5): by a redrive from the root down, by a retry of a task that resumes at a failed child.

use stent_core::journal::EntryBody;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::task::{Resume, ResumePoint, TaskState};
use stent_core::{TaskId, Timestamp};

use super::store::{CancelledAt, Tables};

impl Tables {
    /// Makes a failed or timed-out task pending again, from where it can go on, and with it the failed child that it names, and so on down to the cause.
    /// A task in another state is left alone.
    pub(super) fn reopen(&mut self, now: Timestamp, task: TaskId) {
        let Some(row) = self.tasks.get(&task) else { return };
        // Taken before the row forgets it.
        let resume = match (row.state, &row.resume) {
            // The deadline cut it short, nothing in its journal did.
            (TaskState::TimedOut, _) => Resume::At(ResumePoint::default()),
            (TaskState::Failed, Some(resume)) => resume.clone(),
            _ => return,
        };
        self.dead_letters.remove(&task);
        self.make_pending(now, task);
        match resume {
            Resume::Restart => self.restart(now, task),
            Resume::At(point) => self.cut(now, task, &point),
            // Not on the way of a redrive, but an item that failed beside it: it ends as before.
            Resume::Refused(_) => {}
        }
    }

    /// Begins a new generation, unless the journal is empty; what the old one left open is cancelled and never reopened.
    pub(super) fn restart(&mut self, now: Timestamp, task: TaskId) {
        if self.tasks.get(&task).is_none_or(|row| self.is_fresh(row)) {
            return;
        }
        self.cancel_below(now, task, None);
        for row in self.tasks.values_mut() {
            row.cancelled_by = row.cancelled_by.filter(|by| by.task != task);
        }
        self.change(task, |row| row.generation += 1);
    }

    /// Cuts a journal at a point, and reopens the point's operation and what was cancelled since.
    pub(super) fn cut(&mut self, now: Timestamp, task: TaskId, point: &ResumePoint) {
        let Some(generation) = self.tasks.get(&task).map(|row| row.generation) else { return };
        if let Some(turn) = point.turn {
            self.cut_turns(task, generation, turn);
        }
        self.reopen_cancelled(now, task, point.turn.map_or(CancelledAt::End, CancelledAt::Turn));
        if let Some(operation) = &point.operation {
            self.forget_outcome(task, generation, operation);
            if operation.kind == OperationKind::Map {
                let items: Vec<TaskId> =
                    self.items(task, generation, operation, 0..u32::MAX).map(|(_, row)| row.id).collect();
                items.into_iter().for_each(|item| self.reopen(now, item));
            }
        }
        let is_child = |child: &TaskId| self.tasks.get(child).is_some_and(|row| row.parent == Some(task));
        if let Some(child) = point.child.filter(is_child) {
            self.reopen(now, child);
        }
    }

    /// Undoes a turn and all later ones: which outcome opened them is forgotten, and what was written after them counts as written after the turn before.
    fn cut_turns(&mut self, task: TaskId, generation: u32, turn: u32) {
        self.journal.retain(|(of, made, _), row| {
            let undone = *of == task && *made == generation && row.entry.turn >= turn;
            !(undone && matches!(row.entry.body, EntryBody::Order(_)))
        });
        for (_, row) in self.journal.range_mut((task, generation, 0)..=(task, generation, u32::MAX)) {
            if !matches!(row.entry.body, EntryBody::Made(..)) {
                row.entry.turn = row.entry.turn.min(turn.saturating_sub(1));
            }
        }
    }

    fn forget_outcome(&mut self, task: TaskId, generation: u32, operation: &OperationId) {
        self.journal.retain(|(of, made, _), row| {
            let is_it = matches!(&row.entry.body, EntryBody::Outcome(of, _) if of == operation);
            !(*of == task && *made == generation && is_it)
        });
    }

    /// Makes pending again what a task cancelled at or after this time of its life.
    fn reopen_cancelled(&mut self, now: Timestamp, task: TaskId, since: CancelledAt) {
        let by_it = self.tasks.values().filter(|row| {
            row.state == TaskState::Cancelled && row.cancelled_by.is_some_and(|by| by.task == task && by.at >= since)
        });
        let cancelled: Vec<TaskId> = by_it.map(|row| row.id).collect();
        for row in cancelled {
            self.make_pending(now, row);
        }
    }

    /// Makes a task that has ended pending again, with its journal, fresh attempts and no claim.
    fn make_pending(&mut self, now: Timestamp, task: TaskId) {
        self.change(task, |row| {
            (row.state, row.due, row.ended_at) = (TaskState::Pending, Some(now), None);
            row.reopened_at = Some(now);
            (row.attempt, row.deliveries, row.counted) = (0, 0, false);
            (row.token, row.claimed_at) = (None, None);
            (row.resume, row.cancelled_by) = (None, None);
        });
    }
}
