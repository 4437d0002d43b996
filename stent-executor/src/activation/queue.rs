//! The queue of what turns made: sent as one write, one in flight; what gathers meanwhile goes out together.

use std::sync::Arc;

use stent_core::claim::Claim;
use stent_core::commit::TurnCommit;
use stent_core::error::BackendError;
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, EntryBody, JournalEntry, Take, TurnWrite};
use stent_core::task::NewChild;
use stent_core::variable::VariableChange;
use stent_core::{ExecutionId, Fingerprint, Timestamp};

use crate::engine::{Births, Engine};

/// What is to be done when an entry is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The operation is recorded: its wait may begin.
    Recorded(usize),
    /// The operation's own outcome may be given.
    Outcome(usize),
    /// One `order` entry fewer is uncommitted.
    Order,
    /// A call's child exists, and may have been born completed.
    Born(usize),
    /// The children of a map's chunk exist; by slot and first index.
    Chunk(usize, u32),
}

/// What was queued and not sent yet.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    entries: Vec<(u32, Timestamp, EntryBody)>,
    children: Vec<NewChild>,
    dispatches: Vec<NewExecution>,
    cancels: Vec<Abandoned>,
    variables: Vec<VariableChange>,
    receipts: Vec<Receipt>,
    /// `order` entries that are queued or in flight: no step starts before they are committed.
    orders: usize,
    next_seq: u32,
    in_flight: bool,
    /// The last turn whose changes of variables were sent.
    changed: Option<u32>,
}

/// A write that came back.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) commit: Result<TurnCommit, BackendError>,
    pub(crate) receipts: Vec<Receipt>,
}

impl Queue {
    pub(crate) fn new(next_seq: u32, changed: Option<u32>) -> Self {
        Self { next_seq, changed, ..Self::default() }
    }

    /// Queues an entry of this turn.
    pub(crate) fn entry(&mut self, turn: u32, at: Timestamp, body: EntryBody, receipt: Option<Receipt>) {
        self.entries.push((turn, at, body));
        self.receipts.extend(receipt);
        self.orders += usize::from(receipt == Some(Receipt::Order));
    }

    /// Queues a child.
    pub(crate) fn child(&mut self, child: NewChild, receipt: Option<Receipt>) {
        self.children.push(child);
        self.receipts.extend(receipt);
    }

    /// Queues the children of a map's chunk.
    pub(crate) fn chunk(&mut self, children: impl ExactSizeIterator<Item = NewChild>, receipt: Receipt) {
        // Their number is known: room that grows by doubling is twice as much.
        self.children.reserve(children.len());
        self.children.extend(children);
        self.receipts.push(receipt);
    }

    /// Queues an execution of its own.
    pub(crate) fn dispatch(&mut self, execution: NewExecution) {
        self.dispatches.push(execution);
    }

    /// Queues the cancellation of what was abandoned.
    pub(crate) fn abandon(&mut self, abandoned: Abandoned) {
        self.cancels.push(abandoned);
    }

    /// Queues changes of variables of this turn; an entry of their own bears the turn, and tells a repeat.
    pub(crate) fn variables(&mut self, turn: u32, at: Timestamp, changes: Vec<VariableChange>) {
        if !changes.is_empty() {
            self.entry(turn, at, EntryBody::Variables, None);
            self.variables.extend(changes);
        }
    }

    /// True if something waits to be sent.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.entries.is_empty() || !self.children.is_empty() || !self.cancels.is_empty() || !self.dispatches.is_empty()
    }

    /// True if nothing waits and nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        !self.in_flight && !self.is_waiting()
    }

    /// True if a write may be sent: one at a time.
    pub(crate) fn may_send(&self) -> bool {
        !self.in_flight
    }

    /// True while a step must not start.
    pub(crate) fn holds_steps(&self) -> bool {
        self.orders > 0
    }

    /// Entries written and queued so far.
    pub(crate) fn length(&self) -> usize {
        usize::try_from(self.next_seq).unwrap_or(usize::MAX).saturating_add(self.entries.len())
    }

    /// The next place in the stream, for a take that is sent alone.
    pub(crate) fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// The last turn whose changes of variables were sent: no resume may give such a turn another outcome.
    pub(crate) fn changed(&self) -> Option<u32> {
        self.changed
    }

    /// Drops the changes of variables and the notes that were not sent: a failed attempt changes nothing more (C-V1).
    pub(crate) fn drop_changes(&mut self) {
        self.variables.clear();
        self.entries.retain(|(.., body)| !matches!(body, EntryBody::Variables | EntryBody::Note(_)));
    }

    /// Takes the changes of variables and the notes that wait, for an end to bear them.
    pub(crate) fn take_effects(&mut self) -> (Vec<VariableChange>, Vec<(u32, String)>) {
        let notes = std::mem::take(&mut self.entries).into_iter().filter_map(|(turn, _, body)| match body {
            EntryBody::Note(note) => Some((turn, note)),
            _ => None,
        });
        (std::mem::take(&mut self.variables), notes.collect())
    }

    /// Takes what waits, as one write.
    pub(crate) fn send(&mut self, claim: Claim, generation: u32) -> (TurnWrite, Vec<Receipt>) {
        self.in_flight = true;
        let entries = std::mem::take(&mut self.entries).into_iter().map(|(turn, at, body)| {
            let seq = self.next_seq;
            self.next_seq += 1;
            if body == EntryBody::Variables {
                self.changed = self.changed.max(Some(turn));
            }
            JournalEntry { seq, turn, at, body }
        });
        let write = TurnWrite {
            claim,
            generation,
            entries: entries.collect(),
            children: std::mem::take(&mut self.children),
            dispatches: std::mem::take(&mut self.dispatches),
            cancels: std::mem::take(&mut self.cancels),
            variables: std::mem::take(&mut self.variables),
            take: None,
        };
        (write, std::mem::take(&mut self.receipts))
    }

    /// Begins to take a signal: a write of its own, when nothing else is queued.
    pub(crate) fn send_take(&mut self, claim: Claim, generation: u32, take: Take) -> TurnWrite {
        self.in_flight = true;
        TurnWrite {
            claim,
            generation,
            entries: Vec::new(),
            children: Vec::new(),
            dispatches: Vec::new(),
            cancels: Vec::new(),
            variables: Vec::new(),
            take: Some(take),
        }
    }

    /// Notes that the write in flight came back with these receipts.
    pub(crate) fn came_back(&mut self, receipts: &[Receipt]) {
        self.in_flight = false;
        self.orders -= receipts.iter().filter(|receipt| **receipt == Receipt::Order).count();
    }

    /// Notes that a take came back; an outcome has its place in the stream.
    pub(crate) fn take_came_back(&mut self, taken: bool) {
        self.in_flight = false;
        self.next_seq += u32::from(taken);
    }
}

/// Sends a write of a task of this execution and depth. Children with a memo are looked up first, all in one query; a hit is born completed (C-K1).
pub(crate) async fn send(
    engine: Arc<Engine>,
    mut write: TurnWrite,
    (execution, depth): (ExecutionId, u32),
) -> Result<TurnCommit, BackendError> {
    let wanted: Vec<(usize, Fingerprint)> = write
        .children
        .iter()
        .enumerate()
        .filter_map(|(at, child)| child.task.memo.filter(|_| child.born.is_none()).map(|memo| (at, memo.key)))
        .collect();
    if !wanted.is_empty() {
        let keys: Vec<_> = wanted.iter().map(|(_, key)| *key).collect();
        let values = engine.recall(&keys).await?;
        for ((at, _), value) in wanted.into_iter().zip(values) {
            write.children[at].born = value;
        }
    }
    engine.turns.submit_with(write, Births::of(execution, depth)).await
}
