//! The journal of a task: one ordered stream of entries, and what a turn writes into it (C-R2 to C-R5).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::execution::NewExecution;
use crate::id::{ExecutionId, TaskId};
use crate::name::SignalName;
use crate::operation::OperationId;
use crate::outcome::OperationOutcome;
use crate::payload::Payload;
use crate::task::{ChildRecord, NewChild};
use crate::time::Timestamp;
use crate::variable::VariableChange;

/// One entry.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Its place in the stream, rising from 0; given by the activation, its only writer. A cut leaves gaps.
    pub seq: u32,
    /// The turn after which it was written; of an `order` entry the turn that it opened; of a `made` entry the turn that made it.
    pub turn: u32,
    /// When it was written, by the activation's clock.
    pub at: Timestamp,
    /// What it says.
    pub body: EntryBody,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq)]
pub enum EntryBody {
    /// The turn made this operation. Calls have none: their child's row is the record.
    Made(OperationId, Made),
    /// The operation ended so: steps, reads, signals, timeouts, dispatches, ends of maps.
    Outcome(OperationId, OperationOutcome),
    /// The operation's outcome, which lives elsewhere, was given and opened the turn.
    Order(OperationId),
    /// A chunk of a map closed (C-M4).
    Chunk {
        /// The map.
        map: OperationId,
        /// Items closed so far: those before this index.
        closed: u32,
        /// The state of a fold after them (C-M2).
        state: Option<Payload>,
    },
    /// A note of the function on its progress (C-V2).
    Note(String),
    /// Changes of variables of the turn were applied with this entry (C-V1).
    Variables,
}

impl EntryBody {
    /// The stored text of the entry's kind.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Made(..) => EntryKind::Made,
            Self::Outcome(..) => EntryKind::Outcome,
            Self::Order(_) => EntryKind::Order,
            Self::Chunk { .. } => EntryKind::Chunk,
            Self::Note(_) => EntryKind::Note,
            Self::Variables => EntryKind::Variables,
        }
    }

    /// The operation that the entry is about.
    #[must_use]
    pub const fn operation(&self) -> Option<&OperationId> {
        match self {
            Self::Made(operation, _) | Self::Outcome(operation, _) | Self::Order(operation) => Some(operation),
            Self::Chunk { map, .. } => Some(map),
            Self::Note(_) | Self::Variables => None,
        }
    }
}

/// The kinds of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// [`EntryBody::Made`].
    Made,
    /// [`EntryBody::Outcome`].
    Outcome,
    /// [`EntryBody::Order`].
    Order,
    /// [`EntryBody::Chunk`].
    Chunk,
    /// [`EntryBody::Note`].
    Note,
    /// [`EntryBody::Variables`].
    Variables,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Made, Self::Outcome, Self::Order, Self::Chunk, Self::Note, Self::Variables];

    /// The kind's stored text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::Outcome => "outcome",
            Self::Order => "order",
            Self::Chunk => "chunk",
            Self::Note => "note",
            Self::Variables => "variables",
        }
    }

    /// The kind of this stored text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is recorded of an operation when it is made; stored as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "made")]
#[non_exhaustive]
pub enum Made {
    /// A sleep that ends at this time, whatever a later version of the code says.
    Sleep {
        /// When.
        until: Timestamp,
    },
    /// A wait for a signal.
    Signal {
        /// When its timeout passes (C-S4).
        until: Option<Timestamp>,
    },
    /// A map.
    Map {
        /// Items a chunk.
        chunk: u32,
    },
    /// A dispatch of this execution.
    Dispatch {
        /// Its id.
        execution: ExecutionId,
    },
    /// A patch mark: new code has run here (C-R6).
    Patch,
}

/// What a turn writes, in one transaction.
///
/// Writes with variables bear at least one entry: by its `seq` a repeat is known, and acts once. A take is known by its own `seq`.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnWrite {
    /// Under which claim.
    pub claim: Claim,
    /// The generation of the journal.
    pub generation: u32,
    /// Entries, in the order of the stream.
    pub entries: Vec<JournalEntry>,
    /// Children to make, by id: a repeat makes none twice.
    pub children: Vec<NewChild>,
    /// Executions to dispatch, by id.
    pub dispatches: Vec<NewExecution>,
    /// Children to cancel, with all below them.
    pub cancels: Vec<Abandoned>,
    /// Changes of variables, in program order; applied if the write's first entry is new.
    pub variables: Vec<VariableChange>,
    /// A signal to take; journaled as an outcome of its wait if its slot holds a value (C-S2), or its timeout has passed (C-S4).
    pub take: Option<Take>,
}

/// What a turn abandoned: open children that nobody waits for any more (C-R9).
#[derive(Debug, Clone, PartialEq)]
pub struct Abandoned {
    /// The turn in which their operation was dropped or ended early.
    pub turn: u32,
    /// Whose children.
    pub children: AbandonedChildren,
}

/// Which children are abandoned.
#[derive(Debug, Clone, PartialEq)]
pub enum AbandonedChildren {
    /// A call's child.
    Child(TaskId),
    /// All open items of a map.
    Map(OperationId),
}

/// A signal to take.
#[derive(Debug, Clone, PartialEq)]
pub struct Take {
    /// The slot.
    pub name: SignalName,
    /// The place in the stream of the outcome.
    pub seq: u32,
    /// The turn after which it is taken.
    pub turn: u32,
    /// The time of the outcome's entry, by the activation's clock, as of any other entry.
    pub at: Timestamp,
    /// The wait to which it is given.
    pub operation: OperationId,
    /// When the wait's timeout passes: a value that was sent later is not taken (C-S4).
    pub until: Option<Timestamp>,
}

/// What a replay needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadedJournal {
    /// All entries of the generation, by `seq`.
    pub entries: Vec<JournalEntry>,
    /// The children of its calls; those of maps are read by range.
    pub children: Vec<ChildRecord>,
}
