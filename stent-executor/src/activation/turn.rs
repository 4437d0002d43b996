//! The driver of an activation, and what it does at the end of a turn: number what the turn made, and begin it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use stent_core::backend::Watch;
use stent_core::error::BackendError;
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, Made};
use stent_core::limits;
use stent_core::operation::{OperationId, OperationKind};
use stent_core::outcome::{Ended, OperationOutcome, Outcome};
use stent_core::retry::ErrorClass;
use stent_core::task::{MapItem, NewChild, NewTask};
use stent_core::{Failure, Timestamp};
use tokio::sync::watch;

use super::journal::Recorded;
use super::map::MapRun;
use super::operation::{Given, Mode, Phase, Request};
use super::poll::{Function, Returned};
use super::queue::{Queue, Receipt, Written};
use super::work::Work;
use super::{Activation, Left, Stop};
use crate::control::{Rule, breaks};
use crate::registry::Running;
use crate::slots::Slot;
use crate::wait::Watcher;

/// An outcome that is an entry of the journal: given once it is committed, and nothing else in between.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) slot: usize,
    pub(super) outcome: OperationOutcome,
    pub(super) at: Timestamp,
    pub(super) committed: bool,
}

/// Something that the driver asked the store for has come back.
#[derive(Debug)]
pub(super) enum Happening {
    Written(Written),
    Taken(usize, Timestamp, Result<Option<OperationOutcome>, Stop>),
    ChildEnded(usize, Result<Option<Ended>, BackendError>),
    MapItems(usize, u32, Result<Vec<MapItem>, BackendError>),
    Read(usize, Result<OperationOutcome, BackendError>),
}

/// What an operation needs to begin.
enum Begin {
    Start,
    Read,
    Child(Option<Box<NewTask>>, Option<Timestamp>),
    Made(Made),
    Map { chunk: u32 },
    Dispatch(Option<Box<NewExecution>>),
    Patch,
}

/// Drives one activation.
pub(super) struct Driver {
    pub(super) activation: Arc<Activation>,
    pub(super) function: Function,
    /// The place of running code; let go of while everything waits.
    pub(super) place: Option<Slot>,
    pub(super) recorded: Recorded,
    /// While replaying: the slots of what was made, by identity.
    pub(super) slots: HashMap<OperationId, usize>,
    pub(super) queue: Queue,
    pub(super) own: VecDeque<Own>,
    /// Calls and maps that ended before their children did, in a write that was not sent yet.
    pub(super) ended_early: Vec<usize>,
    /// Outcomes that live elsewhere and have come, in the order of their coming.
    pub(super) ready: VecDeque<(usize, Given, Timestamp)>,
    pub(super) to_start: VecDeque<usize>,
    /// Reads of variables: they begin when all that was changed before is written.
    pub(super) to_read: VecDeque<usize>,
    pub(super) running: BTreeSet<usize>,
    pub(super) timers: BTreeSet<(Timestamp, usize)>,
    /// Waits for signals whose slots were seen to hold a value.
    pub(super) signalled: VecDeque<usize>,
    pub(super) taking: bool,
    /// Waits for signals whose timeout has passed.
    pub(super) overdue: VecDeque<usize>,
    pub(super) maps: BTreeMap<usize, MapRun>,
    pub(super) watcher: Watcher,
    pub(super) work: Work,
    /// Steps or maps are to be polled.
    pub(super) driving: bool,
    pub(super) returned: Option<Returned>,
    pub(super) draining: watch::Receiver<bool>,
    /// Calls and maps that are awaited although their children were cancelled.
    pub(super) cancelled: BTreeSet<usize>,
}

impl Driver {
    pub(super) fn new(
        activation: Arc<Activation>,
        future: Running,
        recorded: Recorded,
        place: Slot,
        draining: watch::Receiver<bool>,
    ) -> Self {
        Self {
            function: Function::new(Arc::clone(&activation), future),
            place: Some(place),
            queue: Queue::new(recorded.next_seq, recorded.last_change),
            recorded,
            slots: HashMap::new(),
            own: VecDeque::new(),
            ended_early: Vec::new(),
            ready: VecDeque::new(),
            to_start: VecDeque::new(),
            to_read: VecDeque::new(),
            running: BTreeSet::new(),
            timers: BTreeSet::new(),
            signalled: VecDeque::new(),
            taking: false,
            overdue: VecDeque::new(),
            maps: BTreeMap::new(),
            watcher: activation.engine.news.watcher(),
            work: Work::default(),
            driving: false,
            returned: None,
            draining,
            cancelled: BTreeSet::new(),
            activation,
        }
    }

    /// Runs the activation to its end.
    pub(super) async fn drive(mut self) -> Result<Left, Stop> {
        self.replay().await?;
        self.live().await
    }

    pub(super) fn turn(&self) -> u32 {
        self.activation.shared().turn
    }

    /// Polls the function, and takes in what it did. Code that does not run takes no place of code that could.
    pub(super) async fn poll(&mut self, mode: Mode) {
        if self.place.is_none() {
            self.place = Some(self.work.meanwhile(self.activation.engine.slots.acquire_turn()).await);
        }
        self.returned = self.function.poll_until_quiet(mode).await;
    }

    /// Gives an outcome: it opens the next turn.
    pub(super) async fn give(&mut self, slot: usize, given: Given, at: Timestamp) {
        let wakers = self.activation.shared().give(slot, given, at);
        self.activation.wake.wake(wakers);
        self.open_turn();
        self.poll(Mode::Turn).await;
    }

    /// Tells the function which patches a written turn recorded.
    pub(super) fn open_turn(&self) {
        let mut shared = self.activation.shared();
        let turn = shared.turn;
        shared.patches = self.recorded.is_written(turn).then(|| self.recorded.patches(turn));
    }

    /// Numbers what the turn has made since the last look: equals in the order in which their futures were created (C-R2).
    pub(super) fn number(&self) -> Vec<usize> {
        let mut shared = self.activation.shared();
        let mut fresh = std::mem::take(&mut shared.made);
        if fresh.is_empty() {
            return fresh;
        }
        fresh.sort_by_key(|slot| shared.operations[*slot].created);
        let turn = shared.turn;
        let new: HashSet<usize> = fresh.iter().copied().collect();
        let mut numbers: HashMap<OperationId, u32> = HashMap::new();
        let first = shared.operations.iter().rposition(|operation| operation.id.turn != turn).map_or(0, |at| at + 1);
        let earlier: Vec<usize> = (first..shared.operations.len()).filter(|slot| !new.contains(slot)).collect();
        for slot in earlier.iter().chain(&fresh) {
            let operation = &mut shared.operations[*slot];
            let equal = OperationId { number: 0, ..operation.id.clone() };
            let number = numbers.entry(equal).or_default();
            operation.id.number = *number;
            *number += 1;
        }
        fresh
    }

    /// Queues what a live turn made, and begins it.
    pub(super) fn end_turn(&mut self) -> Result<(), Stop> {
        // A step or map that was woken while the function polled something else may be polled again from this turn on.
        self.driving |= !(self.running.is_empty() && self.maps.is_empty());
        let fresh = self.number();
        self.check_open_calls(&fresh)?;
        for slot in fresh {
            self.record(slot);
        }
        let (turn, variables, notes) = {
            let mut shared = self.activation.shared();
            (shared.turn, std::mem::take(&mut shared.variables), std::mem::take(&mut shared.notes))
        };
        let now = self.activation.engine.clock.now();
        self.queue.variables(turn, now, variables);
        for note in notes {
            self.queue.entry(turn, now, EntryBody::Note(note), None);
        }
        if self.queue.length() > usize::try_from(limits::JOURNAL_ENTRIES).unwrap_or(usize::MAX) {
            let text =
                format!("the journal has {} entries; split the work over child functions", limits::JOURNAL_ENTRIES);
            return Err(Stop::Failed(Failure::new(ErrorClass::limit_exceeded(), text)));
        }
        Ok(())
    }

    /// Refuses more open calls than allowed (C-R10), before any of the turn is made.
    fn check_open_calls(&self, fresh: &[usize]) -> Result<(), Stop> {
        if fresh.is_empty() {
            return Ok(());
        }
        let shared = self.activation.shared();
        let calls = shared.open.iter().filter(|slot| shared.operations[**slot].id.kind == OperationKind::Call).count();
        if calls > limits::OPEN_CHILDREN {
            let text =
                format!("{calls} calls are open, {} are allowed; use a map, or child functions", limits::OPEN_CHILDREN);
            return Err(Stop::Failed(Failure::new(ErrorClass::limit_exceeded(), text)));
        }
        Ok(())
    }

    /// Queues the record of an operation, and begins what needs no record.
    fn record(&mut self, slot: usize) {
        let activation = Arc::clone(&self.activation);
        let now = activation.engine.clock.now();
        let (id, begin) = {
            let mut shared = activation.shared();
            // What opened the turn may have happened long ago: bounds count from the making (C-T1).
            let made_at = now.max(shared.now);
            let operation = &mut shared.operations[slot];
            let begin = match &mut operation.request {
                Request::Step => Begin::Start,
                Request::Read(_) => Begin::Read,
                Request::Call { task, timeout } => {
                    Begin::Child(task.take(), timeout.map(|timeout| made_at.after(timeout)))
                }
                Request::Sleep(duration) => {
                    let until = made_at.after(*duration);
                    operation.until = Some(until);
                    Begin::Made(Made::Sleep { until })
                }
                Request::Signal { timeout, .. } => {
                    operation.until = timeout.map(|timeout| made_at.after(timeout));
                    Begin::Made(Made::Signal { until: operation.until })
                }
                Request::Map { chunk, .. } => Begin::Map { chunk: chunk.unwrap_or(activation.engine.settings.chunk) },
                Request::Dispatch(execution) => Begin::Dispatch(execution.take()),
                Request::Patch => Begin::Patch,
            };
            (operation.id.clone(), begin)
        };
        match begin {
            Begin::Start if id.number > 0 && id.kind == OperationKind::Step => self.ambiguous(slot, &id),
            Begin::Start => self.to_start.push_back(slot),
            Begin::Read => self.to_read.push_back(slot),
            Begin::Child(task, until) => {
                let Some(task) = task else { return };
                let child =
                    NewChild { id: activation.child(&id, None), operation: id, index: None, task: *task, born: None };
                self.timers.extend(until.map(|until| (until, slot)));
                // One that may be born completed is looked at once it is written.
                let may_be_born = child.task.memo.is_some();
                if !may_be_born {
                    self.watch(slot, Watch::Task(child.id), true);
                }
                self.queue.child(child, may_be_born.then_some(Receipt::Born(slot)));
            }
            Begin::Made(made) => {
                self.queue.entry(id.turn, now, EntryBody::Made(id, made), Some(Receipt::Recorded(slot)));
            }
            Begin::Map { chunk } => {
                self.queue.entry(id.turn, now, EntryBody::Made(id, Made::Map { chunk }), None);
                self.begin_map(slot, chunk);
            }
            Begin::Dispatch(execution) => {
                let Some(mut execution) = execution else { return };
                execution.id =
                    stent_core::ExecutionId::dispatched_by(activation.task.claim.task, activation.task.generation, &id);
                let value = serde_json::to_vec(&execution.id).unwrap_or_default();
                self.queue.dispatch(*execution);
                self.own_outcome(slot, OperationOutcome::Completed(value.into()));
            }
            Begin::Patch => self.queue.entry(id.turn, now, EntryBody::Made(id, Made::Patch), None),
        }
    }

    /// Refuses a step that cannot be told from another of its turn (C-R3): an outcome like any other, the same in every run.
    pub(super) fn ambiguous(&mut self, slot: usize, id: &OperationId) {
        let text = format!("two steps named {} in one turn; give each a key: ctx.step(name, code).key(…)", id.name);
        self.own_outcome(slot, OperationOutcome::Failed(Failure::new(ErrorClass::ambiguous_step(), text)));
    }

    /// Queues an operation's own outcome.
    pub(super) fn own_outcome(&mut self, slot: usize, outcome: OperationOutcome) {
        let at = self.activation.engine.clock.now();
        let (turn, id) = {
            let mut shared = self.activation.shared();
            shared.operations[slot].phase = Phase::Ended;
            (shared.turn, shared.operations[slot].id.clone())
        };
        self.running.remove(&slot);
        self.unwatch(slot);
        self.queue.entry(turn, at, EntryBody::Outcome(id, outcome.clone()), Some(Receipt::Outcome(slot)));
        let committed = breaks(Rule::GiveCommitted);
        self.own.push_back(Own { slot, outcome, at, committed });
    }

    /// Ends a call or a map before its children have ended; those are cancelled in the same write.
    pub(super) fn end_early(&mut self, slot: usize, outcome: OperationOutcome) {
        self.own_outcome(slot, outcome);
        self.ended_early.push(slot);
    }

    /// Queues the cancellation of what operations that ended early left open: as of the turns that their outcomes open. Not before the write that bears
    /// these: until then a signal that is taken may come before them.
    pub(super) fn abandon_ended_early(&mut self) {
        for slot in std::mem::take(&mut self.ended_early) {
            // One that was dropped meanwhile was abandoned as of that turn.
            let Some(ahead) = self.own.iter().position(|own| own.slot == slot) else { continue };
            let turn = self.turn().saturating_add(u32::try_from(ahead).unwrap_or(u32::MAX)).saturating_add(1);
            self.abandon(slot, turn);
        }
    }

    /// Queues the cancellation of an operation's open children, as of this turn (C-R9).
    pub(super) fn abandon(&mut self, slot: usize, turn: u32) {
        let id = self.activation.shared().operations[slot].id.clone();
        let children = match id.kind {
            OperationKind::Call => AbandonedChildren::Child(self.activation.child(&id, None)),
            OperationKind::Map => AbandonedChildren::Map(id),
            _ => return,
        };
        self.queue.abandon(Abandoned { turn, children });
    }

    /// Watches for an operation's outcome. Maps have two watches, for two chunks; all others use the first.
    pub(super) fn watch(&mut self, slot: usize, watch: Watch, fresh: bool) {
        self.watcher.add(slot * 2, watch, fresh);
    }

    pub(super) fn unwatch(&mut self, slot: usize) {
        self.watcher.remove(slot * 2);
        self.watcher.remove(slot * 2 + 1);
    }
}

/// A child's end, as it is given to its parent. A child that is awaited is cancelled together with its parent, which is told so by its claim, or by
/// a turn that the parent is about to repeat: in neither case is it given anything (C-X1).
pub(super) fn child_given(outcome: Outcome) -> Option<Given> {
    match outcome {
        Outcome::Completed(value) => Some(Given::Value(value)),
        Outcome::Failed(failure) => Some(Given::Failed(failure)),
        Outcome::TimedOut | Outcome::Cancelled => None,
    }
}
