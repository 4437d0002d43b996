//! The operations of one activation, as its function and its driver share them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Waker;
use std::thread::ThreadId;
use std::time::Duration;

use stent_core::execution::NewExecution;
use stent_core::failure::GivenBy;
use stent_core::name::SignalName;
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::retry::ErrorClass;
use stent_core::task::NewTask;
use stent_core::variable::VariableChange;
use stent_core::{Failure, Payload, Timestamp};

use super::poll::StepWake;
use crate::context::ReadRequest;

/// What an operation asks for when it is made.
#[derive(Debug)]
pub(crate) enum Request {
    Step,
    Read(ReadRequest),
    /// The task is taken out when its child is queued.
    Call {
        task: Option<Box<NewTask>>,
        timeout: Option<Duration>,
    },
    Sleep(Duration),
    Signal {
        name: SignalName,
        timeout: Option<Duration>,
    },
    Map {
        chunk: Option<u32>,
        settled: bool,
        fold: bool,
    },
    /// The execution is taken out when it is queued.
    Dispatch(Option<Box<NewExecution>>),
    Patch,
}

/// Where an operation is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Made; its outcome is awaited.
    Outstanding,
    /// A step whose code may run.
    Running,
    /// A step between two attempts.
    Retrying,
    /// Its outcome is queued, and is given once committed.
    Ended,
    /// Its outcome was given.
    Given,
    /// Its future was dropped before (C-R9).
    Dropped,
}

/// An outcome, as it is given to the function.
#[derive(Debug)]
pub(crate) enum Given {
    /// A value: of a step, a child, a signal, a read.
    Value(Payload),
    /// It failed.
    Failed(Failure),
    /// Its timeout passed.
    Elapsed,
    /// A sleep is over, or a map has absorbed its results.
    Done,
    /// A map is over that ended in an earlier activation: what it takes in first.
    Absorb(Vec<Ask>),
}

impl From<OperationOutcome> for Given {
    fn from(outcome: OperationOutcome) -> Self {
        match outcome {
            OperationOutcome::Completed(value) => Self::Value(value),
            OperationOutcome::Failed(failure) => Self::Failed(failure),
            OperationOutcome::Elapsed => Self::Elapsed,
        }
    }
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// Its identity. The turn is that of its first poll; the number is known when that turn ends.
    pub(crate) id: OperationId,
    /// When its future was created, among all of the activation: equals are numbered in this order (C-R2).
    pub(crate) created: u64,
    /// When a sleep ends, or the timeout of a wait passes; known once it is recorded.
    pub(crate) until: Option<Timestamp>,
    pub(crate) request: Request,
    pub(crate) phase: Phase,
    pub(crate) given: Option<Given>,
    /// Its outcome was that its bound passed, not what its child came to.
    pub(crate) has_elapsed: bool,
    /// Whom to wake when something is given to it or asked of it.
    pub(crate) waker: Option<Waker>,
    /// It is behind a combinator with wakers of its own, which polls what was woken, in the order of the wakes: `FuturesUnordered`.
    pub(crate) is_queued: bool,
    /// Of a step: values drawn in this attempt.
    pub(crate) draws: u32,
    /// Of a step: its own wakes.
    pub(crate) step: Option<Arc<StepWake>>,
    /// Of a map: what the driver asks its future to do.
    pub(crate) ask: Option<Ask>,
    /// Of a map: what its future answered.
    pub(crate) answer: Option<Answer>,
}

impl Operation {
    /// The slot that a wait for a signal waits for.
    pub(crate) fn signal_name(&self) -> Option<SignalName> {
        match &self.request {
            Request::Signal { name, .. } => Some(name.clone()),
            _ => None,
        }
    }
}

/// What the driver asks a map's future to do; only the future has the iterator, the fold and the results' type.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Take up to `limit` calls from the iterator, after skipping items up to `first`.
    Produce { first: u32, limit: u32 },
    /// Take in the results of the items from `first` on.
    Absorb { first: u32, results: Vec<Result<Payload, Failure>> },
    /// Take in the state of a fold, as recorded after the last closed chunk.
    Restore { state: Payload },
}

/// What a map's future answers.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The calls it took; fewer than asked for if the iterator has ended.
    Produced(Vec<NewTask>),
    /// Taken in; the state of a fold afterwards.
    Absorbed(Option<Payload>),
    /// It cannot: an item or state does not encode or decode.
    Refused(Failure),
}

/// What happened in a step, told by its future.
#[derive(Debug)]
pub(crate) enum StepEvent {
    /// It ended.
    Ended(usize, OperationOutcome),
    /// It is to be tried again at this time.
    RetryAt(usize, Timestamp),
}

/// How the function is being polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// A turn: its function may go on.
    Turn,
    /// Steps and maps may go on.
    Drive,
}

/// What the function and the driver share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) turn: u32,
    /// The recorded time of the outcome that opened the turn (C-R6).
    pub(crate) now: Timestamp,
    /// The thread that polls the function at this moment: operations elsewhere are refused (C-R8).
    pub(crate) polling: Option<(ThreadId, Mode)>,
    /// The piece of user code that may make no operations, while it runs.
    pub(crate) inside: Option<&'static str>,
    /// The step whose code runs, by slot.
    pub(crate) stepping: Option<usize>,
    /// Futures of operations created so far.
    pub(crate) created: u64,
    /// Values drawn in this turn.
    pub(crate) draws: u32,
    pub(crate) operations: Vec<Operation>,
    /// The slots whose outcomes are awaited.
    pub(crate) open: BTreeSet<usize>,
    /// The steps and maps among them: the driver has them polled between turns, too.
    driven: BTreeSet<usize>,
    /// Operations polled first since the driver last looked.
    pub(crate) made: Vec<usize>,
    /// Operations dropped since the driver last looked.
    pub(crate) dropped: Vec<usize>,
    pub(crate) steps: Vec<StepEvent>,
    /// In a written turn, the patches that it recorded.
    pub(crate) patches: Option<Vec<Arc<str>>>,
    pub(crate) variables: Vec<VariableChange>,
    pub(crate) notes: Vec<String>,
    /// The function is being dropped because it leaves memory: that drops no operation (C-R9).
    pub(crate) leaving: bool,
}

impl Shared {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            turn: 0,
            now,
            polling: None,
            inside: None,
            stepping: None,
            created: 0,
            draws: 0,
            operations: Vec::new(),
            open: BTreeSet::new(),
            driven: BTreeSet::new(),
            made: Vec::new(),
            dropped: Vec::new(),
            steps: Vec::new(),
            patches: None,
            variables: Vec::new(),
            notes: Vec::new(),
            leaving: false,
        }
    }

    /// Records an operation at the first poll of its future; answers with its slot.
    pub(crate) fn make(
        &mut self,
        kind: OperationKind,
        name: Arc<str>,
        key: OperationKey,
        created: u64,
        request: Request,
    ) -> usize {
        let slot = self.operations.len();
        self.operations.push(Operation {
            id: OperationId { turn: self.turn, kind, name, key, number: 0 },
            created,
            until: None,
            request,
            phase: Phase::Outstanding,
            given: None,
            has_elapsed: false,
            waker: None,
            is_queued: false,
            draws: 0,
            step: None,
            ask: None,
            answer: None,
        });
        self.made.push(slot);
        self.open.insert(slot);
        if matches!(kind, OperationKind::Step | OperationKind::Map) {
            self.driven.insert(slot);
        }
        slot
    }

    /// Opens the next turn with this outcome; the caller wakes the returned wakers, in their order, and polls.
    pub(crate) fn give(&mut self, slot: usize, mut given: Given, at: Timestamp) -> Vec<Waker> {
        self.turn += 1;
        self.now = self.now.max(at);
        self.draws = 0;
        let operation = &mut self.operations[slot];
        if matches!((&given, &operation.request), (Given::Elapsed, Request::Call { .. })) {
            let text = format!("{} did not end within its timeout", operation.id.name);
            given = Given::Failed(Failure::new(ErrorClass::elapsed(), text));
            operation.has_elapsed = true;
        }
        if let Given::Failed(failure) = &mut given {
            failure.give(GivenBy { slot, turn: self.turn });
        }
        let all_queued = self.driven.iter().any(|slot| self.operations[*slot].is_queued);
        let wakers = self.take_wakers(&[slot], all_queued);
        self.close(slot, Phase::Given);
        self.operations[slot].given = Some(given);
        wakers
    }

    /// The wakers of steps and maps that are to go on; none if they were woken before and are not polled at this time.
    pub(crate) fn drive(&mut self, slots: &[usize]) -> Vec<Waker> {
        let woken = |slot: &&usize| self.operations[**slot].waker.is_some();
        let woken: Vec<usize> = slots.iter().filter(woken).copied().collect();
        let all_queued = woken.iter().any(|slot| self.operations[*slot].is_queued);
        self.take_wakers(&woken, all_queued)
    }

    /// When the code of a step wakes is in no journal. What a queue yields must not hang on it: so as long as a step or map is behind a queue,
    /// all that is behind one is woken whenever anything is, in the order of making.
    fn take_wakers(&mut self, slots: &[usize], all_queued: bool) -> Vec<Waker> {
        let queued = self.open.iter().copied().filter(|slot| all_queued && self.operations[*slot].is_queued);
        let slots: BTreeSet<usize> = queued.chain(slots.iter().copied()).collect();
        slots.into_iter().filter_map(|slot| self.operations[slot].waker.take()).collect()
    }

    /// True if the function has done something since the driver last looked.
    pub(crate) fn has_more(&self) -> bool {
        !(self.made.is_empty() && self.variables.is_empty() && self.notes.is_empty())
    }

    /// The operation's outcome is awaited no more.
    pub(crate) fn close(&mut self, slot: usize, phase: Phase) {
        self.open.remove(&slot);
        self.driven.remove(&slot);
        self.operations[slot].phase = phase;
    }
}
