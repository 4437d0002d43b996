//! One call of one trait method, so that it can be made on several backends, made again and shown; and its answer, without what the
//! contracts leave free.

use std::ops::Range;

use stent_core::backend::{
    DeadLetterFilter, ExecutionFilter, Page, ProgressCursor, ProgressEntry, Pruned, RedriveTarget, TaskCount,
    TaskFilter, Watch,
};
use stent_core::claim::{Claim, ClaimRequest, Claimed, ClaimedTask, Renewal};
use stent_core::commit::{
    Cancelled, Commit, Dispatched, Redriven, RefusedRedrive, Reserved, Sent, Suspended, TurnCommit,
};
use stent_core::dead_letter::DeadLetter;
use stent_core::error::ErrorKind;
use stent_core::execution::{ExecutionRecord, ExecutionStatus, NewExecution};
use stent_core::journal::{JournalEntry, LoadedJournal, TurnWrite};
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::signal::SignalSend;
use stent_core::task::{MapItem, Suspension, TaskEnd, TaskPayloads, TaskRecord, Wait};
use stent_core::variable::Variables;
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord};
use stent_core::{Backend, BackendError, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};

/// A call with its arguments, but for `now`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Call {
    Dispatch(Vec<NewExecution>),
    Cancel(ExecutionId),
    Redrive(RedriveTarget),
    Expire(u32),
    Claim(ClaimRequest),
    Renew(WorkerRecord, Vec<Claim>),
    Lapse(WorkerId),
    Load(TaskId, u32),
    Write(Vec<TurnWrite>),
    Complete(Vec<TaskEnd>),
    Suspend(Vec<Suspension>),
    Tasks(Vec<TaskId>),
    MapItems(TaskId, u32, OperationId, Range<u32>),
    Executions(Vec<ExecutionId>),
    News(Vec<Watch>),
    Send(SignalSend),
    Recall(Vec<Fingerprint>),
    Reserve(Claim, Fingerprint),
    Read(ExecutionId),
    ListExecutions(ExecutionFilter, Page<ExecutionId>),
    CountExecutions(ExecutionFilter),
    CountEnded(Range<Timestamp>),
    Execution(ExecutionId),
    ListTasks(TaskFilter, Page<TaskId>),
    CountTasks(TaskFilter),
    CountChildren(TaskId),
    Task(TaskId),
    Payloads(Vec<TaskId>),
    Waits(TaskId),
    ListJournal(TaskId, Page<u32>),
    ListProgress(ExecutionId, Page<ProgressCursor>),
    ListDeadLetters(DeadLetterFilter, Page<TaskId>),
    CountDeadLetters(DeadLetterFilter),
    DeadLetter(TaskId),
    Queues,
    Workers,
    Limits,
    Prune(Timestamp),
    Discard(TaskId),
    Ping,
}

impl Call {
    /// Makes the call.
    pub(super) async fn make(&self, backend: &dyn Backend, now: Timestamp) -> Answer {
        match self {
            Self::Dispatch(new) => backend.dispatch(now, new).await.into(),
            Self::Cancel(execution) => backend.cancel(now, *execution).await.into(),
            Self::Redrive(target) => backend.redrive(now, *target).await.map(without_own_words).into(),
            Self::Expire(limit) => backend.expire(now, *limit).await.into(),
            Self::Claim(request) => backend.claim(now, request).await.map(Taken::from).into(),
            Self::Renew(worker, claims) => backend.renew(now, worker, claims).await.into(),
            Self::Lapse(worker) => backend.lapse(now, *worker).await.into(),
            Self::Load(task, generation) => backend.load(*task, *generation).await.map(in_one_order).into(),
            Self::Write(turns) => backend.write(now, turns).await.into(),
            Self::Complete(ends) => backend.complete(now, ends).await.into(),
            Self::Suspend(suspensions) => backend.suspend(now, suspensions).await.into(),
            Self::Send(send) => backend.send(now, send).await.into(),
            Self::Recall(keys) => backend.recall(now, keys).await.into(),
            Self::Reserve(claim, key) => backend.reserve(now, *claim, *key).await.into(),
            Self::Prune(before) => backend.prune(now, *before).await.map(without_count).into(),
            Self::Discard(task) => backend.discard_dead_letter(*task).await.into(),
            // Which clock others should follow, if any, is the backend's own.
            Self::Ping => backend.ping().await.map(drop).into(),
            _ => self.look(backend, now).await,
        }
    }

    /// Makes a call that changes nothing.
    async fn look(&self, backend: &dyn Backend, now: Timestamp) -> Answer {
        match self {
            Self::Tasks(tasks) => backend.tasks(tasks).await.into(),
            Self::MapItems(parent, generation, map, items) => {
                backend.map_items(*parent, *generation, map, items.clone()).await.into()
            }
            Self::Executions(executions) => backend.executions(executions).await.into(),
            Self::News(watches) => backend.news(watches).await.into(),
            Self::Read(execution) => backend.read(*execution).await.into(),
            Self::ListExecutions(filter, page) => backend.list_executions(filter, *page).await.into(),
            Self::CountExecutions(filter) => backend.count_executions(filter).await.into(),
            Self::CountEnded(span) => backend.count_ended(span.clone()).await.into(),
            Self::Execution(id) => backend.execution(*id).await.into(),
            Self::ListTasks(filter, page) => backend.list_tasks(filter, *page).await.into(),
            Self::CountTasks(filter) => backend.count_tasks(filter).await.into(),
            Self::CountChildren(parent) => backend.count_children(*parent).await.into(),
            Self::Task(id) => backend.task(*id).await.into(),
            Self::Payloads(tasks) => backend.payloads(tasks).await.into(),
            Self::Waits(task) => backend.waits(*task).await.map(maps_in_one_order).into(),
            Self::ListJournal(task, page) => backend.list_journal(*task, *page).await.into(),
            Self::ListProgress(execution, page) => backend.list_progress(*execution, *page).await.into(),
            Self::ListDeadLetters(filter, page) => backend.list_dead_letters(filter, *page).await.into(),
            Self::CountDeadLetters(filter) => backend.count_dead_letters(filter).await.into(),
            Self::DeadLetter(task) => backend.dead_letter(*task).await.into(),
            Self::Queues => backend.queues(now).await.into(),
            Self::Workers => backend.workers().await.into(),
            Self::Limits => backend.limits().await.into(),
            _ => unreachable!("{self:?} is made by `make`"),
        }
    }

    /// True if it may be made again: whoever does not know what became of it does so.
    pub(super) fn changes(&self) -> bool {
        matches!(
            self,
            Self::Dispatch(_)
                | Self::Cancel(_)
                | Self::Redrive(_)
                | Self::Expire(_)
                | Self::Claim(_)
                | Self::Renew(..)
                | Self::Lapse(_)
                | Self::Write(_)
                | Self::Complete(_)
                | Self::Suspend(_)
                | Self::Send(_)
                | Self::Reserve(..)
                | Self::Prune(_)
                | Self::Discard(_)
        )
    }
}

/// What a claim gave.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Taken {
    pub(super) tasks: Vec<ClaimedTask>,
    corrupt: Vec<Claim>,
    next_due: Option<Timestamp>,
    next_deadline: Option<Timestamp>,
}

impl From<Claimed> for Taken {
    fn from(claimed: Claimed) -> Self {
        let Claimed { tasks, corrupt, next_due, next_deadline } = claimed;
        Self { tasks, corrupt: corrupt.into_iter().map(|row| row.claim).collect(), next_due, next_deadline }
    }
}

/// The words of a refusal are the backend's own, unless the history gave them as the reason of a [`Resume::Refused`](stent_core::task::Resume): which
/// task stands in the way is not.
fn without_own_words(mut redriven: Redriven) -> Redriven {
    if let Redriven::Refused(RefusedRedrive::NotResumable { reason, .. }) = &mut redriven
        && !reason.starts_with(super::end::REFUSED)
    {
        "…".clone_into(reason);
    }
    redriven
}

/// How many rows an execution has is the backend's own; that something was deleted is not.
fn without_count(pruned: Pruned) -> Pruned {
    Pruned { rows: pruned.rows.min(1), ..pruned }
}

/// Entries are told to come in order, children are not.
fn in_one_order(mut journal: LoadedJournal) -> LoadedJournal {
    journal.children.sort_by_key(|child| child.id);
    journal
}

/// Signals are told to come first and by name; in which order maps follow is not told.
fn maps_in_one_order(mut waits: Vec<Wait>) -> Vec<Wait> {
    let maps = waits.iter().take_while(|wait| matches!(wait, Wait::Signal(_))).count();
    waits[maps..].sort_by_cached_key(|wait| format!("{wait:?}"));
    waits
}

/// An answer as it is compared. Of trouble that is the kind: the words are the backend's own.
macro_rules! answers {
    ($($name:ident($answer:ty),)*) => {
        #[derive(Debug, Clone, PartialEq)]
        pub(super) enum Answer {
            $($name($answer),)*
            Trouble(ErrorKind),
        }

        $(impl From<Result<$answer, BackendError>> for Answer {
            fn from(answer: Result<$answer, BackendError>) -> Self {
                answer.map_or_else(|error| Self::Trouble(error.kind().clone()), Self::$name)
            }
        })*
    };
}

answers! {
    Dispatched(Vec<Dispatched>),
    Cancelled(Cancelled),
    Redriven(Redriven),
    Ids(Vec<ExecutionId>),
    Claimed(Taken),
    Renewed(Vec<Renewal>),
    Lapsed(u32),
    Loaded(LoadedJournal),
    Written(Vec<TurnCommit>),
    Completed(Vec<Commit>),
    Suspended(Vec<Suspended>),
    Ends(Vec<Option<Ended>>),
    Items(Vec<MapItem>),
    Statuses(Vec<ExecutionStatus>),
    News(Vec<bool>),
    Sent(Sent),
    Values(Vec<Option<Payload>>),
    Reserved(Reserved),
    Variables(Variables),
    Executions(Vec<ExecutionRecord>),
    Count(u64),
    Counts(Vec<TaskCount>),
    Execution(Option<ExecutionRecord>),
    Tasks(Vec<TaskRecord>),
    Task(Option<TaskRecord>),
    Payloads(Vec<Option<TaskPayloads>>),
    Waits(Vec<Wait>),
    Journal(Vec<JournalEntry>),
    Progress(Vec<ProgressEntry>),
    DeadLetters(Vec<DeadLetter>),
    DeadLetter(Option<DeadLetter>),
    Queues(Vec<QueueRecord>),
    Workers(Vec<WorkerRecord>),
    Limits(Vec<LimitRecord>),
    Pruned(Pruned),
    Discarded(bool),
    Done(()),
}
