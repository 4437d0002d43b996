//! What turns write: entries, children, dispatches, cancellations, variables, takes, continuing the journal as it is.

use std::ops::Range;

use stent_core::backend::RedriveTarget;
use stent_core::commit::Redriven;
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, LoadedJournal, Made, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::task::{NewChild, TaskRecord};
use stent_core::variable::VariableChange;
use stent_core::{BackendError, ExecutionId, TaskId};

use super::act::Choices;
use super::call::Call;
use super::history::{Held, History};
use super::plan::{self, SIGNALS};
use crate::conformance::builders::{failure, payload, signal_name, turn_in, variable};

/// Turns of one to three claims.
pub(super) async fn write(history: &mut History<'_>, choices: &mut Choices<'_>) -> Result<Call, BackendError> {
    let mut turns = Vec::new();
    for held in history.claims(choices, 2) {
        let mut turn = Turn::begin(history, held).await?;
        for _ in 0..=choices.below(4) {
            turn.make(history, choices);
        }
        turns.push(turn.write);
    }
    Ok(Call::Write(turns))
}

/// A journal, as its task's holder knows it.
pub(super) struct Journal {
    held: Held,
    loaded: LoadedJournal,
    /// The maps that were made, with how many items they have and which of these failed.
    pub(super) maps: Vec<(OperationId, u32, Vec<u32>)>,
}

impl Journal {
    pub(super) async fn load(history: &History<'_>, held: Held) -> Result<Self, BackendError> {
        let loaded = history.model.load(held.claim.task, held.generation).await?;
        let mut maps = Vec::new();
        for entry in &loaded.entries {
            let EntryBody::Made(map, Made::Map { .. }) = &entry.body else { continue };
            let items = history.model.map_items(held.claim.task, held.generation, map, 0..u32::MAX).await?;
            let failed = |item: &&stent_core::task::MapItem| {
                let ended = item.ended.as_ref();
                ended.is_some_and(|ended| matches!(ended.outcome, stent_core::Outcome::Failed(_)))
            };
            let failed = items.iter().filter(failed).map(|item| item.index).collect();
            maps.push((map.clone(), items.iter().map(|item| item.index + 1).max().unwrap_or(0), failed));
        }
        Ok(Self { held, loaded, maps })
    }

    /// The place of the next entry.
    fn next_seq(&self) -> u32 {
        self.loaded.entries.last().map_or(0, |entry| entry.seq + 1)
    }

    /// The last turn of anything in it.
    pub(super) fn last_turn(&self) -> u32 {
        let of_entries = self.loaded.entries.iter().map(|entry| entry.turn);
        let of_calls = self.loaded.children.iter().map(|child| child.operation.turn);
        of_entries.chain(of_calls).max().unwrap_or(0)
    }

    /// The operations that entries tell of, and the calls.
    pub(super) fn operations(&self) -> Vec<OperationId> {
        let of_entries = self.loaded.entries.iter().filter_map(|entry| entry.body.operation().cloned());
        let of_calls = self.loaded.children.iter().map(|child| child.operation.clone());
        of_entries.chain(of_calls).collect()
    }

    /// The waits for signals that were made.
    fn waits(&self) -> Vec<OperationId> {
        let operations = self.loaded.entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Made(operation, Made::Signal { .. }) => Some(operation.clone()),
            _ => None,
        });
        operations.collect()
    }

    /// The children of its calls.
    pub(super) fn calls(&self) -> Vec<TaskId> {
        self.loaded.children.iter().map(|child| child.id).collect()
    }

    /// What failed: the operation, and the failed child if it is a call or map.
    pub(super) fn failures(&self) -> Vec<(OperationId, Option<TaskId>)> {
        let has_failed = |child: &&stent_core::task::ChildRecord| {
            child.ended.as_ref().is_some_and(|ended| matches!(ended.outcome, stent_core::Outcome::Failed(_)))
        };
        let calls = self.loaded.children.iter().filter(has_failed);
        let mut failures: Vec<_> = calls.map(|child| (child.operation.clone(), Some(child.id))).collect();
        for (map, _, failed) in &self.maps {
            let item = |index: &u32| TaskId::child(self.held.claim.task, self.held.generation, map, Some(*index));
            failures.extend(failed.iter().map(|index| (map.clone(), Some(item(index)))));
        }
        failures.extend(self.loaded.entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Outcome(operation, OperationOutcome::Failed(_)) => Some((operation.clone(), None)),
            _ => None,
        }));
        failures
    }
}

/// A turn's write on its way.
struct Turn {
    journal: Journal,
    seq: u32,
    turn: u32,
    write: TurnWrite,
}

impl Turn {
    async fn begin(history: &History<'_>, held: Held) -> Result<Self, BackendError> {
        let journal = Journal::load(history, held).await?;
        let (seq, turn) = (journal.next_seq(), journal.last_turn());
        Ok(Self { seq, turn, write: turn_in(held.claim, held.generation), journal })
    }

    /// Something that a turn makes, tells, drops or takes.
    fn make(&mut self, history: &mut History<'_>, choices: &mut Choices<'_>) {
        self.turn += u32::from(choices.chance(100));
        match choices.below(18) {
            0 => self.outcome(OperationKind::Step, OperationOutcome::Completed(payload("step"))),
            1..=3 => self.call(history, choices),
            4 | 5 => self.map(history, choices),
            6 => drop(self.wait(history, choices)),
            7 | 8 => self.take(history, choices),
            9 => self.entry(history, EntryBody::Note(format!("note {}", self.seq))),
            10 | 11 => self.change(history, choices),
            12 => self.sleep(history, choices),
            13 => self.order(history, choices),
            14 => self.outcome(OperationKind::Step, OperationOutcome::Failed(failure("Boom"))),
            15 => self.chunk(history, choices),
            16 => self.cancel(history, choices),
            _ => self.others(history, choices),
        }
    }

    fn entry(&mut self, history: &History<'_>, body: EntryBody) {
        self.write.entries.push(JournalEntry { seq: self.seq, turn: self.turn, at: history.now, body });
        self.seq += 1;
    }
}
