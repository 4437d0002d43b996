//! A journal as its task's holder knows it: what was made, what of it failed, where the next entry goes.

use stent_core::journal::{EntryBody, LoadedJournal, Made};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, OperationOutcome, Outcome};
use stent_core::{BackendError, TaskId};

use super::history::{Held, History};

/// A journal.
pub(super) struct Journal {
    pub(super) held: Held,
    pub(super) loaded: LoadedJournal,
    pub(super) maps: Vec<Map>,
}

/// A map that was made.
pub(super) struct Map {
    pub(super) operation: OperationId,
    /// How many items it has.
    pub(super) items: u32,
    /// The indexes of those that failed.
    failed: Vec<u32>,
}

impl Journal {
    pub(super) async fn load(history: &History<'_>, held: Held) -> Result<Self, BackendError> {
        let (task, generation) = (held.claim.task, held.generation);
        let loaded = history.model.load(task, generation).await?;
        let mut maps = Vec::new();
        for operation in loaded.entries.iter().filter_map(|entry| made(&entry.body, is_map)) {
            let items = history.model.map_items(task, generation, operation, 0..u32::MAX).await?;
            let failed = items.iter().filter(|item| has_failed(item.ended.as_ref())).map(|item| item.index).collect();
            let items = items.iter().map(|item| item.index + 1).max().unwrap_or(0);
            maps.push(Map { operation: operation.clone(), items, failed });
        }
        Ok(Self { held, loaded, maps })
    }

    /// The place of the next entry.
    pub(super) fn next_seq(&self) -> u32 {
        self.loaded.entries.last().map_or(0, |entry| entry.seq + 1)
    }

    /// The last turn of anything in it.
    pub(super) fn last_turn(&self) -> u32 {
        let of_entries = self.loaded.entries.iter().map(|entry| entry.turn);
        let of_calls = self.loaded.children.iter().map(|child| child.operation.turn);
        of_entries.chain(of_calls).max().unwrap_or(0)
    }

    /// The operations that it tells of.
    pub(super) fn operations(&self) -> Vec<OperationId> {
        let of_entries = self.loaded.entries.iter().filter_map(|entry| entry.body.operation().cloned());
        let of_calls = self.loaded.children.iter().map(|child| child.operation.clone());
        of_entries.chain(of_calls).collect()
    }

    /// The waits for signals that were made.
    pub(super) fn waits(&self) -> Vec<OperationId> {
        self.loaded.entries.iter().filter_map(|entry| made(&entry.body, is_wait)).cloned().collect()
    }

    /// The children of its calls.
    pub(super) fn calls(&self) -> Vec<TaskId> {
        self.loaded.children.iter().map(|child| child.id).collect()
    }

    /// Those that are open.
    pub(super) fn open_calls(&self) -> Vec<TaskId> {
        self.loaded.children.iter().filter(|child| child.ended.is_none()).map(|child| child.id).collect()
    }

    /// What failed: the operation, and the failed child if it is a call or map.
    pub(super) fn failures(&self) -> Vec<(OperationId, Option<TaskId>)> {
        let calls = self.loaded.children.iter().filter(|child| has_failed(child.ended.as_ref()));
        let mut failures: Vec<_> = calls.map(|child| (child.operation.clone(), Some(child.id))).collect();
        for map in &self.maps {
            let (task, generation) = (self.held.claim.task, self.held.generation);
            let item = |index: &u32| TaskId::child(task, generation, &map.operation, Some(*index));
            failures.extend(map.failed.iter().map(|index| (map.operation.clone(), Some(item(index)))));
        }
        failures.extend(self.loaded.entries.iter().filter_map(|entry| match &entry.body {
            EntryBody::Outcome(operation, OperationOutcome::Failed(_)) => Some((operation.clone(), None)),
            _ => None,
        }));
        failures
    }
}

/// The operation that an entry says was made, of this kind.
fn made(body: &EntryBody, kind: fn(&Made) -> bool) -> Option<&OperationId> {
    match body {
        EntryBody::Made(operation, made) if kind(made) => Some(operation),
        _ => None,
    }
}

fn is_map(made: &Made) -> bool {
    matches!(made, Made::Map { .. })
}

fn is_wait(made: &Made) -> bool {
    matches!(made, Made::Signal { .. })
}

fn has_failed(ended: Option<&Ended>) -> bool {
    ended.is_some_and(|ended| matches!(ended.outcome, Outcome::Failed(_)))
}
