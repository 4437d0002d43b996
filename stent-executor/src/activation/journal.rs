//! What is recorded of a task, as a replay asks for it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;

use stent_core::journal::{EntryBody, LoadedJournal, Made};
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, OperationOutcome};
use stent_core::task::ChildRecord;
use stent_core::{Payload, Timestamp};

use crate::control::{Rule, breaks};

/// Code that does not fit its journal (C-R4).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("turn {turn}: {difference}")]
pub(crate) struct Divergence {
    /// The turn that was made differently.
    pub(crate) turn: u32,
    /// What was recorded, and what was made.
    pub(crate) difference: String,
}

/// A journal entry of a chunk: what a map had done.
#[derive(Debug, Clone)]
pub(crate) struct ClosedChunks {
    /// Items closed.
    pub(crate) closed: u32,
    /// The state of a fold after them.
    pub(crate) state: Option<Payload>,
}

/// One outcome of the stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamItem {
    pub(crate) operation: OperationId,
    /// True if the outcome itself lives elsewhere.
    pub(crate) is_order: bool,
}

/// A loaded journal.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// The last turn of any entry; `None` if nothing is recorded.
    pub(crate) last_turn: Option<u32>,
    /// The last turn whose changes of variables are written.
    pub(crate) last_change: Option<u32>,
    /// The place of the next entry.
    pub(crate) next_seq: u32,
    /// By turn: operations that were recorded when they were made.
    made: BTreeMap<u32, BTreeSet<OperationId>>,
    /// By turn of their making: steps and reads that ended.
    ended: BTreeMap<u32, BTreeSet<OperationId>>,
    details: HashMap<OperationId, Made>,
    outcomes: HashMap<OperationId, (OperationOutcome, Timestamp)>,
    children: HashMap<OperationId, ChildRecord>,
    chunks: HashMap<OperationId, ClosedChunks>,
    /// Outcomes in the order in which they were or will be given.
    pub(crate) stream: VecDeque<StreamItem>,
}

impl Recorded {
    /// Sorts a loaded journal.
    pub(crate) fn new(loaded: LoadedJournal) -> Self {
        let mut recorded = Self::default();
        for child in loaded.children {
            let operation = child.operation.clone();
            recorded.reached(operation.turn);
            recorded.made.entry(operation.turn).or_default().insert(operation.clone());
            recorded.children.insert(operation, child);
        }
        for entry in loaded.entries {
            recorded.next_seq = entry.seq + 1;
            recorded.reached(entry.turn);
            if entry.body == EntryBody::Variables {
                recorded.last_change = recorded.last_change.max(Some(entry.turn));
            }
            recorded.take_in(entry.body, entry.at);
        }
        recorded
    }

    fn take_in(&mut self, body: EntryBody, at: Timestamp) {
        match body {
            EntryBody::Made(operation, made) => {
                self.reached(operation.turn);
                self.made.entry(operation.turn).or_default().insert(operation.clone());
                self.details.insert(operation, made);
            }
            EntryBody::Outcome(operation, outcome) => {
                if !operation.kind.is_recorded_when_made() {
                    self.ended.entry(operation.turn).or_default().insert(operation.clone());
                } else if operation.kind == OperationKind::Dispatch {
                    self.made.entry(operation.turn).or_default().insert(operation.clone());
                }
                self.stream.push_back(StreamItem { operation: operation.clone(), is_order: false });
                self.outcomes.insert(operation, (outcome, at));
            }
            EntryBody::Order(operation) => {
                self.stream.push_back(StreamItem { operation, is_order: true });
            }
            EntryBody::Chunk { map, closed, state } => {
                self.chunks.insert(map, ClosedChunks { closed, state });
            }
            EntryBody::Note(_) | EntryBody::Variables => {}
        }
    }

    fn reached(&mut self, turn: u32) {
        self.last_turn = self.last_turn.max(Some(turn));
    }

    /// True if the turn is written: what it makes must be what is recorded.
    pub(crate) fn is_written(&self, turn: u32) -> bool {
        self.last_turn.is_some_and(|last| turn <= last)
    }

    /// True if the turn was followed by another that is written: an outcome was given after it.
    pub(crate) fn is_followed(&self, turn: u32) -> bool {
        self.last_turn.is_some_and(|last| turn < last)
    }

    /// The patches that a turn recorded.
    pub(crate) fn patches(&self, turn: u32) -> Vec<std::sync::Arc<str>> {
        let made = self.made.get(&turn).into_iter().flatten();
        made.filter(|operation| operation.kind == OperationKind::Patch)
            .map(|operation| operation.name.clone())
            .collect()
    }

    /// What is missing or foreign in what a written turn made; none if it fits. `made` holds all that the turn made.
    pub(crate) fn compare(&self, turn: u32, made: &BTreeSet<OperationId>) -> Comparison {
        if breaks(Rule::WrittenTurns) {
            return Comparison::default();
        }
        let nothing = BTreeSet::new();
        let recorded = self.made.get(&turn).unwrap_or(&nothing);
        let ended = self.ended.get(&turn).unwrap_or(&nothing);
        let foreign =
            made.iter().filter(|operation| operation.kind.is_recorded_when_made() && !recorded.contains(operation));
        let missing = recorded.union(ended).filter(|operation| !made.contains(operation));
        Comparison { missing: missing.cloned().collect(), foreign: foreign.cloned().collect() }
    }

    /// What was recorded of an operation when it was made.
    pub(crate) fn detail(&self, operation: &OperationId) -> Option<Made> {
        self.details.get(operation).copied()
    }

    /// An operation's outcome, where it is an entry.
    pub(crate) fn outcome(&self, operation: &OperationId) -> Option<&(OperationOutcome, Timestamp)> {
        self.outcomes.get(operation)
    }

    /// The child of a call.
    pub(crate) fn child(&self, operation: &OperationId) -> Option<&ChildRecord> {
        self.children.get(operation)
    }

    /// How the child of a call ended.
    pub(crate) fn child_end(&self, operation: &OperationId) -> Option<&Ended> {
        self.children.get(operation).and_then(|child| child.ended.as_ref())
    }

    /// What a map had done.
    pub(crate) fn chunks(&self, operation: &OperationId) -> Option<&ClosedChunks> {
        self.chunks.get(operation)
    }
}

/// How a written turn differs from what was made.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    /// Recorded, and not made.
    pub(crate) missing: Vec<OperationId>,
    /// Made, and not recorded.
    pub(crate) foreign: Vec<OperationId>,
}

impl Comparison {
    /// True if code and journal agree.
    pub(crate) fn fits(&self) -> bool {
        self.missing.is_empty() && self.foreign.is_empty()
    }

    /// True if the rest may yet be made: by code that awaits something outside of its context (C-R8).
    pub(crate) fn may_be_incomplete(&self) -> bool {
        !self.missing.is_empty() && self.foreign.is_empty()
    }

    /// The divergence.
    pub(crate) fn divergence(&self, turn: u32) -> Divergence {
        Divergence { turn, difference: format!("recorded {}; made {}", List(&self.missing), List(&self.foreign)) }
    }
}

struct List<'a>(&'a [OperationId]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        if self.0.is_empty() {
            return f.write_str("nothing in its place");
        }
        for (at, operation) in self.0.iter().take(SHOWN).enumerate() {
            write!(f, "{}{operation}", if at == 0 { "" } else { ", " })?;
        }
        if self.0.len() > SHOWN { write!(f, " and {} more", self.0.len() - SHOWN) } else { Ok(()) }
    }
}
