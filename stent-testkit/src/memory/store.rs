//! The tables, and the rules that hold for every row.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use stent_core::backend::Hint;
use stent_core::claim::{Claim, FirstClaim};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::ExecutionState;
use stent_core::journal::JournalEntry;
use stent_core::name::{DedupKey, FunctionName, SignalName};
use stent_core::operation::OperationId;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::{NewTask, Resume, TaskState, Wait};
use stent_core::variable::Variables;
use stent_core::worker::WorkerRecord;
use stent_core::{ClaimToken, ExecutionId, Failure, Fingerprint, Payload, SignalId, TaskId, Timestamp, WorkerId};

/// All that is stored. `open`, `children`, `items` and `dedup` are indexes over `tasks`, kept by [`Tables::insert`], [`Tables::remove`] and
/// [`Tables::change`].
#[derive(Default)]
pub(super) struct Tables {
    pub(super) tasks: BTreeMap<TaskId, TaskRow>,
    /// The tasks that have not ended.
    open: BTreeSet<TaskId>,
    pub(super) children: BTreeSet<(TaskId, TaskId)>,
    pub(super) items: BTreeMap<ItemKey, TaskId>,
    pub(super) dedup: BTreeMap<DedupKey, ExecutionId>,
    /// Entries by task, generation and `seq`.
    pub(super) journal: BTreeMap<(TaskId, u32, u32), JournalRow>,
    /// The values that nobody has taken.
    pub(super) slots: BTreeMap<(ExecutionId, SignalName), (Payload, Timestamp)>,
    /// The sends that were accepted.
    pub(super) sends: BTreeMap<SignalId, SendRow>,
    pub(super) memos: BTreeMap<Fingerprint, MemoRow>,
    pub(super) variables: BTreeMap<ExecutionId, Variables>,
    pub(super) dead_letters: BTreeMap<TaskId, DeadLetter>,
    pub(super) workers: BTreeMap<WorkerId, WorkerRecord>,
    /// The places of limited functions, as the last claim gave them.
    pub(super) limits: BTreeMap<FunctionName, u32>,
    /// How many tasks were ever made.
    made: u64,
    /// What the present transaction has to tell once it is over.
    pub(super) hints: Vec<Hint>,
}

/// A map's item: parent, generation, map, index.
pub(super) type ItemKey = (TaskId, u32, OperationId, u32);

/// A task; a root is its execution, too.
pub(super) struct TaskRow {
    pub(super) id: TaskId,
    /// Its place in the order in which tasks were made.
    pub(super) number: u64,
    pub(super) execution: ExecutionId,
    pub(super) parent: Option<TaskId>,
    pub(super) depth: u32,
    /// What made it; none for a root.
    pub(super) made: Option<MadeBy>,
    pub(super) call: NewTask,
    /// How many ancestors are of its function, if that is limited (C-Q3).
    pub(super) ancestors: u32,
    /// Whether it holds a place of its function.
    pub(super) place: bool,
    pub(super) state: TaskState,
    /// From when it may be claimed; of a suspended task, when its timer wakes it; none once it has ended.
    pub(super) due: Option<Timestamp>,
    /// The token of the last claim; it stays after the claim is given up, so that a repeat is known.
    pub(super) token: Option<ClaimToken>,
    pub(super) worker: Option<WorkerId>,
    pub(super) claimed_at: Option<Timestamp>,
    pub(super) lease_until: Option<Timestamp>,
    /// Whether the last claim counted an attempt, which a release gives back.
    pub(super) counted: bool,
    pub(super) attempt: u32,
    pub(super) deliveries: u32,
    pub(super) generation: u32,
    /// When the journal of this generation began.
    pub(super) journal_from: Option<Timestamp>,
    pub(super) created_at: Timestamp,
    /// When it was last taken up again after it had ended.
    pub(super) reopened_at: Option<Timestamp>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) output: Option<Payload>,
    pub(super) failure: Option<Failure>,
    pub(super) reason: Option<String>,
    /// From where a redrive would go on; of failed tasks.
    pub(super) resume: Option<Resume>,
    /// Whose end, deadline or turn cancelled it; a client's cancel leaves none.
    pub(super) cancelled_by: Option<CancelledBy>,
    /// What it waits for besides its timer and the ends of its calls; of suspended tasks.
    pub(super) waits: Vec<Wait>,
    /// What only a root has.
    pub(super) root: RootRow,
}

/// The part of a row that only roots have.
#[derive(Default)]
pub(super) struct RootRow {
    pub(super) max_duration: Option<std::time::Duration>,
    pub(super) deadline: Option<Timestamp>,
    pub(super) dedup: Option<DedupKey>,
    /// Retention has begun to delete it: it is gone for everyone (C-X3).
    pub(super) deleting: bool,
}

/// The operation that made a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MadeBy {
    /// The generation of the parent's journal.
    pub(super) generation: u32,
    pub(super) operation: OperationId,
    /// Its place in a map; none for a call.
    pub(super) index: Option<u32>,
}

/// What cancelled a task as a consequence: the same for all levels below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CancelledBy {
    pub(super) task: TaskId,
    pub(super) at: CancelledAt,
}

/// When a task cancelled others; ends and deadlines come after all turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum CancelledAt {
    Turn(u32),
    End,
}

/// An entry, and the claim that wrote it.
pub(super) struct JournalRow {
    pub(super) entry: JournalEntry,
    pub(super) token: ClaimToken,
}

/// A send that was accepted.
pub(super) struct SendRow {
    pub(super) execution: ExecutionId,
    pub(super) overwrote: bool,
}

/// A memo's key: a stored result, or a reservation.
#[derive(Default)]
pub(super) struct MemoRow {
    pub(super) value: Option<Payload>,
    pub(super) expires_at: Option<Timestamp>,
    /// The task that reserved it; it holds the key while it is open (C-K2).
    pub(super) owner: Option<TaskId>,
}

impl TaskRow {
    /// A row as a call makes it: never claimed, and waiting for its time.
    pub(super) fn new(now: Timestamp, id: TaskId, execution: ExecutionId, call: NewTask) -> Self {
        Self {
            id,
            number: 0,
            execution,
            parent: None,
            depth: 0,
            made: None,
            state: if call.due > now { TaskState::Scheduled } else { TaskState::Pending },
            due: Some(call.due),
            call,
            ancestors: 0,
            place: false,
            token: None,
            worker: None,
            claimed_at: None,
            lease_until: None,
            counted: false,
            attempt: 0,
            deliveries: 0,
            generation: 0,
            journal_from: None,
            created_at: now,
            reopened_at: None,
            started_at: None,
            ended_at: None,
            output: None,
            failure: None,
            reason: None,
            resume: None,
            cancelled_by: None,
            waits: Vec::new(),
            root: RootRow::default(),
        }
    }

    /// The same with a result that is known: born completed (C-K1, C-M5).
    pub(super) fn born(mut self, now: Timestamp, result: Option<Payload>) -> Self {
        if result.is_some() {
            (self.state, self.ended_at, self.due, self.output) = (TaskState::Completed, Some(now), None, result);
        } else if let Some(FirstClaim { worker, token, lease }) = self.call.claim {
            self.state = TaskState::Running;
            (self.token, self.worker) = (Some(token), Some(worker));
            (self.claimed_at, self.lease_until) = (Some(now), Some(now.after(lease)));
            (self.attempt, self.counted) = (1, true);
            (self.journal_from, self.started_at) = (Some(now), Some(now));
        }
        self
    }

    pub(super) fn is_open(&self) -> bool {
        !self.state.is_final()
    }

    /// How the task ended, if it has.
    pub(super) fn ended(&self) -> Option<Ended> {
        let outcome = match self.state {
            TaskState::Completed => Outcome::Completed(self.output.clone()?),
            TaskState::Failed => Outcome::Failed(self.failure.clone()?),
            TaskState::TimedOut => Outcome::TimedOut,
            TaskState::Cancelled => Outcome::Cancelled,
            TaskState::Scheduled | TaskState::Pending | TaskState::Running | TaskState::Suspended => return None,
        };
        Some(Ended { outcome, at: self.ended_at? })
    }

    /// The execution's state, if this is its root (C-X3).
    pub(super) fn execution_state(&self) -> ExecutionState {
        ExecutionState::of_root(self.state, self.started_at.is_some())
    }

    fn item_key(&self) -> Option<ItemKey> {
        let made = self.made.as_ref()?;
        Some((self.parent?, made.generation, made.operation.clone(), made.index?))
    }
}

impl Tables {
    /// Adds a task. The caller has seen that the id is free.
    pub(super) fn insert(&mut self, mut row: TaskRow) {
        self.made += 1;
        row.number = self.made;
        match row.state {
            TaskState::Running => {}
            state => self.tell(if state.is_final() { Hint::TasksEnded } else { Hint::TasksReady }),
        }
        self.open.extend(row.is_open().then_some(row.id));
        self.children.extend(row.parent.map(|parent| (parent, row.id)));
        self.items.extend(row.item_key().map(|key| (key, row.id)));
        self.dedup.extend(row.root.dedup.clone().map(|key| (key, row.execution)));
        self.tasks.insert(row.id, row);
    }

    /// Deletes a task's row.
    pub(super) fn remove(&mut self, id: TaskId) {
        let Some(row) = self.tasks.remove(&id) else { return };
        self.open.remove(&id);
        if let Some(parent) = row.parent {
            self.children.remove(&(parent, id));
        }
        if let Some(key) = row.item_key() {
            self.items.remove(&key);
        }
        if let Some(key) = row.root.dedup {
            self.dedup.remove(&key);
        }
    }

    /// Changes a task's row: the only way to do so. The state goes along the protocol's edges alone (S7), and what follows from it alone is done here.
    pub(super) fn change(&mut self, id: TaskId, change: impl FnOnce(&mut TaskRow)) {
        let Some(row) = self.tasks.get_mut(&id) else { return };
        let (before, had_place) = (row.state, row.place);
        change(row);
        let (after, is_root, execution) = (row.state, row.parent.is_none(), row.execution);
        debug_assert!(before == after || before.can_become(after), "task {id}: no edge from {before} to {after}");
        if after != TaskState::Running {
            (row.worker, row.lease_until) = (None, None);
        }
        if after != TaskState::Suspended {
            row.waits.clear();
        }
        if after.is_final() {
            // The place is free (C-Q3).
            (row.place, row.due) = (false, None);
        }
        debug_assert_eq!(row.is_open(), row.ended_at.is_none(), "task {id}: {after} with a wrong time of its end");
        let place_is_free = had_place && !row.place;
        if after.is_final() {
            self.open.remove(&id);
        } else {
            self.open.insert(id);
        }
        if place_is_free {
            // Others of its function may be free to claim now.
            self.tell(Hint::TasksReady);
        }
        if before == after {
            return;
        }
        match after {
            TaskState::Scheduled | TaskState::Pending => self.tell(Hint::TasksReady),
            TaskState::Running | TaskState::Suspended => {}
            TaskState::Completed | TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled => {
                self.tell(Hint::TasksEnded);
                if is_root {
                    self.tell(Hint::ExecutionEnded(execution));
                }
            }
        }
    }

    /// The tasks that have not ended, by id.
    pub(super) fn open(&self) -> impl Iterator<Item = &TaskRow> {
        self.open.iter().filter_map(|id| self.tasks.get(id))
    }

    /// Notes a hint to be given after the transaction.
    pub(super) fn tell(&mut self, hint: Hint) {
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
    }

    /// The root of an execution, also of one that is being deleted.
    pub(super) fn root(&self, execution: ExecutionId) -> Option<&TaskRow> {
        self.tasks.get(&execution.root()).filter(|row| row.parent.is_none())
    }

    /// The root of an execution that is known to clients (C-X3).
    pub(super) fn known(&self, execution: ExecutionId) -> Option<&TaskRow> {
        self.root(execution).filter(|root| !root.root.deleting)
    }

    /// The task of a claim, if the claim holds: the token decides, not the clock (C-Q2).
    pub(super) fn held(&self, claim: Claim) -> Option<&TaskRow> {
        let row = self.tasks.get(&claim.task)?;
        (row.state == TaskState::Running && row.token == Some(claim.token)).then_some(row)
    }

    /// The children of a task, by id, of every generation.
    pub(super) fn children(&self, parent: TaskId) -> impl Iterator<Item = &TaskRow> {
        let least = TaskId::from_bytes([0; 16]);
        let all = self.children.range((parent, least)..).take_while(move |(of, _)| *of == parent);
        all.filter_map(|(_, child)| self.tasks.get(child))
    }

    /// The items of a map that exist in a range of indexes, by index.
    pub(super) fn items(
        &self,
        parent: TaskId,
        generation: u32,
        operation: &OperationId,
        items: Range<u32>,
    ) -> impl DoubleEndedIterator<Item = (u32, &TaskRow)> {
        let key = |index| (parent, generation, operation.clone(), index);
        let keys = key(items.start)..key(items.end.max(items.start));
        self.items.range(keys).filter_map(|((_, _, _, index), id)| Some((*index, self.tasks.get(id)?)))
    }

    /// The entries of a journal, by `seq`.
    pub(super) fn entries(&self, task: TaskId, generation: u32) -> impl Iterator<Item = &JournalRow> {
        self.journal.range((task, generation, 0)..=(task, generation, u32::MAX)).map(|(_, row)| row)
    }

    /// Whether the journal of the task's present generation has neither an entry nor a child.
    pub(super) fn is_fresh(&self, row: &TaskRow) -> bool {
        let made_now = |child: &TaskRow| child.made.as_ref().is_some_and(|made| made.generation == row.generation);
        self.entries(row.id, row.generation).next().is_none() && !self.children(row.id).any(made_now)
    }

    /// The ancestors of a task, nearest first.
    pub(super) fn ancestors(&self, row: &TaskRow) -> impl Iterator<Item = &TaskRow> {
        let up = |id: Option<TaskId>| id.and_then(|id| self.tasks.get(&id));
        std::iter::successors(up(row.parent), move |row| up(row.parent))
    }
}
