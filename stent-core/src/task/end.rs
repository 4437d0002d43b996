//! How a claim of a task is given up: by an end, a retry, a release or a suspension.

use std::ops::Range;

use crate::claim::Claim;
use crate::failure::Failure;
use crate::id::TaskId;
use crate::name::SignalName;
use crate::operation::OperationId;
use crate::payload::Payload;
use crate::time::Timestamp;
use crate::variable::VariableChange;

/// The end of a claim.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskEnd {
    /// The claim that is given up.
    pub claim: Claim,
    /// How.
    pub end: End,
}

/// How a claim ends.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// The function returned. Its last changes of variables and notes ride along (C-V1).
    Completed {
        /// The encoded result.
        output: Payload,
        /// Changes of variables that were not written yet, in program order.
        variables: Vec<VariableChange>,
        /// Notes that were not written yet, in program order: the turn and the text.
        notes: Vec<(u32, String)>,
    },
    /// It failed for good.
    Failed {
        /// Why.
        failure: Failure,
        /// True if this is a root cause and becomes a dead letter (C-Y5).
        dead_letter: bool,
        /// From where a redrive would go on.
        resume: Resume,
    },
    /// It failed, and is tried again.
    Retry {
        /// When.
        at: Timestamp,
        /// Why it failed.
        failure: Failure,
        /// From where it goes on (C-Y3).
        resume: Resume,
    },
    /// It goes back without having been used up: a drain, or code that does not fit (C-R4). An attempt counted by this claim is given
    /// back.
    Released {
        /// Not before this time; `None`: at once.
        until: Option<Timestamp>,
        /// What an operator is told.
        reason: Option<String>,
    },
}

/// From where a failed task goes on when it is reopened (C-Y3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resume {
    /// With an empty journal: a new generation; what the old one left open is cancelled. For functions that made no operation, the journal
    /// is empty already and no generation is used up.
    Restart,
    /// With its journal, cut and reopened at a point.
    At(ResumePoint),
    /// Not at all; why.
    Refused(String),
}

/// Where a journal is cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResumePoint {
    /// The turn that was given the failure: `order` entries of it and later ones go, later outcomes become turns before it. `None`: the
    /// journal's end, nothing is cut.
    pub turn: Option<u32>,
    /// The operation to reopen: its outcome is deleted, or its failed children are made pending again.
    pub operation: Option<OperationId>,
    /// The failed child to reopen, if the operation was a call or map.
    pub child: Option<TaskId>,
}

/// A task that leaves memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspension {
    /// The claim that is given up.
    pub claim: Claim,
    /// When a timer wakes it.
    pub until: Option<Timestamp>,
    /// What else wakes it. The task's open calls wake it in any case.
    pub waits: Vec<Wait>,
}

/// What a suspended task waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// This child's end.
    Child(TaskId),
    /// The end of all items of a range of a map; unless it is settled, also the first failure of one.
    Map {
        /// The map.
        operation: OperationId,
        /// The indexes.
        items: Range<u32>,
        /// True for `map_settled`, which no failure ends.
        settled: bool,
    },
    /// A value in this slot of the execution.
    Signal(SignalName),
}
