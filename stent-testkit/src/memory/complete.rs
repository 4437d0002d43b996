//! Completion: claims are given up.

use async_trait::async_trait;
use stent_core::backend::Completion;
use stent_core::claim::Claim;
use stent_core::commit::{Commit, Suspended};
use stent_core::dead_letter::DeadLetter;
use stent_core::journal::{EntryBody, JournalEntry};
use stent_core::task::{End, Resume, Suspension, TaskEnd, TaskState};
use stent_core::variable::VariableChange;
use stent_core::{BackendError, Failure, Payload, TaskId, Timestamp};

use super::MemoryBackend;
use super::store::{CancelledAt, CancelledBy, Tables, TaskRow};

#[async_trait]
impl Completion for MemoryBackend {
    async fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Result<Vec<Commit>, BackendError> {
        Ok(self.transaction(|tables| tables.end_all(now, ends)))
    }

    async fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Result<Vec<Suspended>, BackendError> {
        Ok(self.transaction(|tables| suspensions.iter().map(|given| tables.suspend(now, given)).collect()))
    }
}

/// Whether an end that is refused is the repeat of one that was applied (C-Q2): the row still bears its token, in a state to which it leads.
fn is_repeat(row: &TaskRow, end: &TaskEnd) -> bool {
    row.token == Some(end.claim.token)
        && match end.end {
            End::Completed { .. } => row.state == TaskState::Completed,
            End::Failed { .. } => row.state == TaskState::Failed,
            End::Retry { .. } | End::Released { .. } => matches!(row.state, TaskState::Pending | TaskState::Scheduled),
        }
}

fn waiting_until(now: Timestamp, at: Timestamp) -> TaskState {
    if at > now { TaskState::Scheduled } else { TaskState::Pending }
}

impl Tables {
    /// Ends claims: first the tasks themselves, then what that does to others, so that the outcome is that of the ends one by one, children
    /// before parents. What has ended is not cancelled by an end above it; what was only put back or woken is.
    fn end_all(&mut self, now: Timestamp, ends: &[TaskEnd]) -> Vec<Commit> {
        let mut commits = Vec::new();
        let mut applied = Vec::new();
        for end in ends {
            if self.held(end.claim).is_some() {
                self.end(now, end);
                applied.push(end);
                commits.push(Commit::Applied);
            } else {
                let repeat = self.tasks.get(&end.claim.task).is_some_and(|row| is_repeat(row, end));
                commits.push(if repeat { Commit::Applied } else { Commit::ClaimLost });
            }
        }
        self.affect_others(now, &applied);
        commits
    }

    fn end(&mut self, now: Timestamp, end: &TaskEnd) {
        let task = end.claim.task;
        match &end.end {
            End::Completed { output, variables, notes } => self.complete(now, end.claim, output, variables, notes),
            End::Failed { failure, dead_letter, resume } => self.fail(now, task, failure, *dead_letter, resume),
            End::Retry { at, failure, .. } => self.retry(now, task, *at, failure),
            End::Released { until, reason } => self.release(now, task, *until, reason.as_ref()),
        }
    }

    fn affect_others(&mut self, now: Timestamp, applied: &[&TaskEnd]) {
        let is_final = |end: &&&TaskEnd| matches!(end.end, End::Completed { .. } | End::Failed { .. });
        for end in applied.iter().filter(is_final) {
            self.wake_parent_of(now, end.claim.task);
        }
        for end in applied {
            let End::Retry { resume, .. } = &end.end else { continue };
            match resume {
                Resume::At(point) => self.cut(now, end.claim.task, point),
                // Whoever retries it all the same goes on at the journal's end.
                Resume::Refused(_) => {}
                Resume::Restart => continue,
            }
            self.count_resumed(end.claim.task);
        }
        for end in applied {
            if let End::Retry { resume: Resume::Restart, .. } = &end.end {
                self.restart(now, end.claim.task);
            }
        }
        for end in applied.iter().filter(is_final) {
            let task = end.claim.task;
            self.cancel_below(now, task, Some(CancelledBy { task, at: CancelledAt::End }));
        }
    }

    fn complete(
        &mut self,
        now: Timestamp,
        claim: Claim,
        output: &Payload,
        variables: &[VariableChange],
        notes: &[(u32, String)],
    ) {
        self.apply_variables(claim.task, variables);
        self.append_notes(now, claim, notes);
        self.change(claim.task, |row| {
            (row.state, row.ended_at) = (TaskState::Completed, Some(now));
            (row.output, row.failure) = (Some(output.clone()), None);
        });
        self.store_memo(now, claim.task, output);
    }

    fn fail(&mut self, now: Timestamp, task: TaskId, failure: &Failure, dead_letter: bool, resume: &Resume) {
        self.change(task, |row| {
            (row.state, row.ended_at) = (TaskState::Failed, Some(now));
            (row.failure, row.resume) = (Some(failure.clone()), Some(resume.clone()));
        });
        if dead_letter {
            self.bury(now, task, failure);
        }
    }

    fn retry(&mut self, now: Timestamp, task: TaskId, at: Timestamp, failure: &Failure) {
        self.change(task, |row| {
            (row.state, row.due) = (waiting_until(now, at), Some(at));
            row.failure = Some(failure.clone());
            (row.counted, row.place) = (false, false);
        });
    }

    /// Counts the next attempt of a task that goes on with something in its journal: no claim will (C-Y4).
    fn count_resumed(&mut self, task: TaskId) {
        if self.tasks.get(&task).is_some_and(|row| !self.is_fresh(row)) {
            self.change(task, |row| row.attempt += 1);
        }
    }

    fn release(&mut self, now: Timestamp, task: TaskId, until: Option<Timestamp>, reason: Option<&String>) {
        let is_fresh = self.tasks.get(&task).is_some_and(|row| self.is_fresh(row));
        self.change(task, |row| {
            let later = until.filter(|until| *until > now);
            row.state = if later.is_some() { TaskState::Scheduled } else { TaskState::Pending };
            row.due = later.or(row.due);
            row.reason = reason.cloned();
            row.attempt -= u32::from(row.counted);
            row.counted = false;
            row.place &= !is_fresh;
        });
    }

    /// Appends to the journal what the function noted last (C-V1).
    fn append_notes(&mut self, now: Timestamp, claim: Claim, notes: &[(u32, String)]) {
        let Some(generation) = self.tasks.get(&claim.task).map(|row| row.generation) else { return };
        let next = self.entries(claim.task, generation).last().map_or(0, |row| row.entry.seq + 1);
        for (seq, (turn, note)) in (next..).zip(notes) {
            let entry = JournalEntry { seq, turn: *turn, at: now, body: EntryBody::Note(note.clone()) };
            self.write_entry(claim, generation, entry);
        }
    }

    /// Stores a task's dead letter (C-Y5).
    fn bury(&mut self, now: Timestamp, task: TaskId, failure: &Failure) {
        let Some(row) = self.tasks.get(&task) else { return };
        let letter = DeadLetter {
            task,
            execution: row.execution,
            function: row.call.function.clone(),
            queue: row.call.queue.clone(),
            input: row.call.input.clone(),
            retry: row.call.retry.as_ref().clone(),
            attempts: row.attempt,
            failure: failure.clone(),
            at: now,
        };
        self.dead_letters.insert(task, letter);
    }

    fn suspend(&mut self, now: Timestamp, suspension: &Suspension) -> Suspended {
        let Suspension { claim, until, waits } = suspension;
        let Some(row) = self.held(*claim) else {
            let by_it = |row: &TaskRow| row.state == TaskState::Suspended && row.token == Some(claim.token);
            return if self.tasks.get(&claim.task).is_some_and(by_it) { Suspended::Yes } else { Suspended::ClaimLost };
        };
        let timer_over = until.is_some_and(|until| until <= now);
        let is_over = |wait| self.is_over(row.id, row.execution, row.generation, wait);
        if timer_over || waits.iter().any(is_over) {
            return Suspended::Awake;
        }
        self.change(claim.task, |row| {
            (row.state, row.due) = (TaskState::Suspended, *until);
            row.waits.clone_from(waits);
        });
        Suspended::Yes
    }
}
