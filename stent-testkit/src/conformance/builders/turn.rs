//! Operations, and what a turn writes.

use super::value::*;

use stent_core::claim::Claim;
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, Made, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::task::NewChild;
use stent_core::variable::VariableChange;
use stent_core::{TaskId, Timestamp};

/// An operation that a turn makes.
pub(crate) fn operation(turn: u32, kind: OperationKind, name: &str) -> OperationId {
    OperationId { turn, kind, name: name.into(), key: OperationKey::none(), number: 0 }
}

/// A call of this function; its key stands for the name, as if that were the input.
pub(crate) fn call(turn: u32, of: &str) -> OperationId {
    OperationId { key: fingerprint(of).into(), ..operation(turn, OperationKind::Call, of) }
}

/// The same call with another number among its equals.
pub(crate) fn nth_call(turn: u32, of: &str, number: u32) -> OperationId {
    OperationId { number, ..call(turn, of) }
}

/// A map over this function.
pub(crate) fn map(turn: u32, of: &str) -> OperationId {
    operation(turn, OperationKind::Map, of)
}

/// A step.
pub(crate) fn step(turn: u32, name: &str) -> OperationId {
    operation(turn, OperationKind::Step, name)
}

/// A sleep.
pub(crate) fn sleep(turn: u32) -> OperationId {
    operation(turn, OperationKind::Sleep, "")
}

/// A wait for a signal.
pub(crate) fn signal_wait(turn: u32, name: &str) -> OperationId {
    operation(turn, OperationKind::Signal, name)
}

/// A turn's write under this claim in generation 0, that writes nothing yet.
pub(crate) fn turn(claim: Claim) -> TurnWrite {
    turn_in(claim, 0)
}

/// A turn's write in this generation, that writes nothing yet.
pub(crate) fn turn_in(claim: Claim, generation: u32) -> TurnWrite {
    TurnWrite {
        claim,
        generation,
        entries: Vec::new(),
        children: Vec::new(),
        dispatches: Vec::new(),
        cancels: Vec::new(),
        variables: Vec::new(),
        take: None,
    }
}

/// What a turn writes.
pub(crate) trait TurnWith: Sized {
    /// With this entry.
    fn entry(self, seq: u32, turn: u32, body: EntryBody) -> Self;
    /// With this child.
    fn child(self, child: NewChild) -> Self;
    /// With these children.
    fn children(self, children: Vec<NewChild>) -> Self;
    /// With this execution to dispatch.
    fn dispatch(self, execution: NewExecution) -> Self;
    /// With a call's child to cancel, dropped in this turn.
    fn cancel(self, turn: u32, child: TaskId) -> Self;
    /// With a map's items to cancel, dropped in this turn.
    fn cancel_map(self, turn: u32, map: OperationId) -> Self;
    /// With this change of a variable.
    fn change(self, change: VariableChange) -> Self;
    /// With this signal to take.
    fn take(self, seq: u32, turn: u32, wait: OperationId) -> Self;
    /// With the signal `a` to take by a wait of the first turn that lasts until then.
    fn take_until(self, seq: u32, now: Timestamp, until: Timestamp) -> Self;

    /// With the outcome of a step of this name, made in the turn after which it is written.
    fn step(self, seq: u32, turn: u32, name: &str, value: &str) -> Self {
        self.entry(seq, turn, EntryBody::Outcome(step(turn, name), OperationOutcome::Completed(payload(value))))
    }

    /// With what is recorded of an operation when it is made.
    fn made(self, seq: u32, operation: OperationId, made: Made) -> Self {
        self.entry(seq, operation.turn, EntryBody::Made(operation, made))
    }

    /// With an `order` entry that opens this turn.
    fn order(self, seq: u32, turn: u32, operation: OperationId) -> Self {
        self.entry(seq, turn, EntryBody::Order(operation))
    }

    /// With a note.
    fn note(self, seq: u32, turn: u32, text: &str) -> Self {
        self.entry(seq, turn, EntryBody::Note(text.into()))
    }
}

impl TurnWith for TurnWrite {
    fn entry(mut self, seq: u32, turn: u32, body: EntryBody) -> Self {
        self.entries.push(JournalEntry { seq, turn, at: at(0), body });
        self
    }

    fn child(mut self, child: NewChild) -> Self {
        self.children.push(child);
        self
    }

    fn children(mut self, children: Vec<NewChild>) -> Self {
        self.children.extend(children);
        self
    }

    fn dispatch(mut self, execution: NewExecution) -> Self {
        self.dispatches.push(execution);
        self
    }

    fn cancel(mut self, turn: u32, child: TaskId) -> Self {
        self.cancels.push(Abandoned { turn, children: AbandonedChildren::Child(child) });
        self
    }

    fn cancel_map(mut self, turn: u32, map: OperationId) -> Self {
        self.cancels.push(Abandoned { turn, children: AbandonedChildren::Map(map) });
        self
    }

    fn change(mut self, change: VariableChange) -> Self {
        self.variables.push(change);
        self
    }

    fn take(mut self, seq: u32, turn: u32, wait: OperationId) -> Self {
        let name = signal_name(&wait.name);
        self.take = Some(Take { name, seq, turn, at: at(0), operation: wait, until: None });
        self
    }

    fn take_until(self, seq: u32, now: Timestamp, until: Timestamp) -> Self {
        let write = self.take(seq, 0, signal_wait(0, "a"));
        let take = write.take.map(|take| Take { at: now, until: Some(until), ..take });
        Self { take, ..write }
    }
}
