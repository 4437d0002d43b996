//! The journal: what a replay reads and what turns write.

use async_trait::async_trait;
use stent_core::backend::Journal;
use stent_core::claim::Claim;
use stent_core::commit::TurnCommit;
use stent_core::error::ErrorKind;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, LoadedJournal, Take, TurnWrite};
use stent_core::outcome::OperationOutcome;
use stent_core::task::{ChildRecord, NewChild};
use stent_core::{BackendError, TaskId, Timestamp};

use super::MemoryBackend;
use super::store::{CancelledAt, CancelledBy, JournalRow, MadeBy, Tables, TaskRow};

#[async_trait]
impl Journal for MemoryBackend {
    async fn load(&self, task: TaskId, generation: u32) -> Result<LoadedJournal, BackendError> {
        Ok(self.transaction(|tables| LoadedJournal {
            entries: tables.entries(task, generation).map(|row| row.entry.clone()).collect(),
            children: tables.calls(task, generation),
        }))
    }

    async fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Result<Vec<TurnCommit>, BackendError> {
        turns.iter().try_for_each(check)?;
        Ok(self.transaction(|tables| tables.write(now, turns)))
    }
}

/// A repeat is known by an entry; without one, variables would change twice. A take is known by its own `seq`.
fn check(turn: &TurnWrite) -> Result<(), BackendError> {
    if turn.variables.is_empty() || !turn.entries.is_empty() {
        return Ok(());
    }
    Err(BackendError::new(ErrorKind::Invalid, "write")
        .with_message("a turn that changes variables bears at least one entry, by which its repeat is known"))
}

impl Tables {
    /// The children that calls of this generation made: by turn and number of the call, then in the order they were made.
    fn calls(&self, task: TaskId, generation: u32) -> Vec<ChildRecord> {
        let is_call = |made: &&MadeBy| made.generation == generation && made.index.is_none();
        let of_calls = self.children(task).filter_map(|child| Some((child, child.made.as_ref().filter(is_call)?)));
        let mut of_calls: Vec<(&TaskRow, &MadeBy)> = of_calls.collect();
        of_calls.sort_by_key(|(child, made)| (made.operation.turn, made.operation.number, child.number));
        let record = |(child, made): (&TaskRow, &MadeBy)| ChildRecord {
            id: child.id,
            operation: made.operation.clone(),
            input: child.call.input.clone(),
            since: child.reopened_at.unwrap_or(child.created_at),
            ended: child.ended(),
        };
        of_calls.into_iter().map(record).collect()
    }

    /// Writes turns. What they abandon is cancelled last: what a turn of the batch makes below it is cancelled, too.
    fn write(&mut self, now: Timestamp, turns: &[TurnWrite]) -> Vec<TurnCommit> {
        let mut commits = Vec::new();
        let mut abandoned = Vec::new();
        for turn in turns {
            if self.held(turn.claim).is_none() {
                commits.push(TurnCommit::ClaimLost);
                continue;
            }
            commits.push(TurnCommit::Applied { taken: self.write_turn(now, turn) });
            abandoned.extend(turn.cancels.iter().map(|abandoned| (turn, abandoned)));
        }
        for (turn, abandoned) in abandoned {
            self.cancel_abandoned(now, turn.claim.task, turn.generation, abandoned);
        }
        commits
    }

    /// Writes one turn whose claim holds; answers with what its take came to. All of it but the variables may be done twice without harm.
    fn write_turn(&mut self, now: Timestamp, turn: &TurnWrite) -> Option<OperationOutcome> {
        let task = turn.claim.task;
        let is_written = |entry: &JournalEntry| self.journal.contains_key(&(task, turn.generation, entry.seq));
        if !turn.entries.first().is_some_and(is_written) {
            self.apply_variables(task, &turn.variables);
        }
        for entry in &turn.entries {
            self.write_entry(turn.claim, turn.generation, entry.clone());
        }
        for child in &turn.children {
            self.make_child(now, task, turn.generation, child);
        }
        for execution in &turn.dispatches {
            let _made_or_there = self.dispatch(now, execution);
        }
        turn.take.as_ref().and_then(|take| self.take_signal(turn.claim, turn.generation, take))
    }

    /// Adds an entry, unless its place is taken: then this is a repeat.
    pub(super) fn write_entry(&mut self, claim: Claim, generation: u32, entry: JournalEntry) {
        let key = (claim.task, generation, entry.seq);
        self.journal.entry(key).or_insert(JournalRow { entry, token: claim.token });
    }

    /// Makes a child of a task, unless it exists: one deeper, of its execution (C-R10).
    fn make_child(&mut self, now: Timestamp, parent: TaskId, generation: u32, new: &NewChild) {
        if self.tasks.contains_key(&new.id) {
            return;
        }
        let Some(above) = self.tasks.get(&parent) else { return };
        let mut row = TaskRow::new(now, new.id, above.execution, new.task.clone()).born(now, new.born.clone());
        row.parent = Some(parent);
        row.depth = above.depth + 1;
        row.made = Some(MadeBy { generation, operation: new.operation.clone(), index: new.index });
        row.ancestors = self.ancestors_of_its_function(&row);
        self.insert(row);
    }

    /// Cancels what a turn abandoned (C-R9): children of this task alone.
    fn cancel_abandoned(&mut self, now: Timestamp, task: TaskId, generation: u32, abandoned: &Abandoned) {
        let by = Some(CancelledBy { task, at: CancelledAt::Turn(abandoned.turn) });
        let children: Vec<TaskId> = match &abandoned.children {
            AbandonedChildren::Child(child) => {
                self.tasks.get(child).filter(|row| row.parent == Some(task)).map(|row| row.id).into_iter().collect()
            }
            AbandonedChildren::Map(map) => {
                self.items(task, generation, map, 0..u32::MAX).map(|(_, item)| item.id).collect()
            }
        };
        for child in children {
            self.cancel_open(now, child, by);
        }
    }

    /// Takes the value of a slot and journals it (C-S2), or that the wait's timeout has passed (C-S4); a repeat gets what was journaled.
    fn take_signal(&mut self, claim: Claim, generation: u32, take: &Take) -> Option<OperationOutcome> {
        if let Some(row) = self.journal.get(&(claim.task, generation, take.seq)) {
            return match &row.entry.body {
                EntryBody::Outcome(_, outcome) => Some(outcome.clone()),
                _ => None,
            };
        }
        let slot = (self.tasks.get(&claim.task)?.execution, take.name.clone());
        let is_late = |at: Timestamp| take.until.is_some_and(|until| at > until);
        let outcome = match self.slots.get(&slot) {
            Some((value, sent_at)) if !is_late(*sent_at) => OperationOutcome::Completed(value.clone()),
            None if take.until.is_none_or(|until| take.at < until) => return None,
            _ => OperationOutcome::Elapsed,
        };
        if outcome != OperationOutcome::Elapsed {
            self.slots.remove(&slot);
        }
        let body = EntryBody::Outcome(take.operation.clone(), outcome.clone());
        self.write_entry(claim, generation, JournalEntry { seq: take.seq, turn: take.turn, at: take.at, body });
        Some(outcome)
    }
}
