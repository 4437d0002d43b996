//! Inspection: what an operator reads. Payloads are not among it.

use std::ops::Range;

use async_trait::async_trait;

use crate::dead_letter::DeadLetter;
use crate::error::BackendError;
use crate::execution::{ExecutionRecord, ExecutionState};
use crate::id::{ExecutionId, TaskId};
use crate::journal::JournalEntry;
use crate::name::{FunctionName, QueueName, Tag};
use crate::operation::OperationId;
use crate::task::{TaskPayloads, TaskRecord, TaskState, Wait};
use crate::time::Timestamp;
use crate::worker::{LimitRecord, QueueRecord, WorkerRecord};

/// A page of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page<K> {
    /// The key of the last row of the page before; `None`: the first page.
    pub after: Option<K>,
    /// At most so many rows; above [`limits::PAGE`](crate::limits::PAGE) it is that.
    pub limit: u32,
}

impl<K> Page<K> {
    /// The first page.
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { after: None, limit }
    }
}

/// Which executions; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ExecutionFilter {
    /// In one of these states; none: in any.
    pub states: Vec<ExecutionState>,
    /// Of this function.
    pub function: Option<FunctionName>,
    /// In this queue.
    pub queue: Option<QueueName>,
    /// With this tag.
    pub tag: Option<Tag>,
    /// Dispatched at or after this time.
    pub since: Option<Timestamp>,
}

/// Which tasks; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskFilter {
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Children of this task.
    pub parent: Option<TaskId>,
    /// In one of these states; none: in any.
    pub states: Vec<TaskState>,
    /// Of this function.
    pub function: Option<FunctionName>,
    /// In this queue.
    pub queue: Option<QueueName>,
}

/// Which dead letters; what is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeadLetterFilter {
    /// Of this execution.
    pub execution: Option<ExecutionId>,
    /// Of this function.
    pub function: Option<FunctionName>,
}

/// How many tasks of one function are in one state; an execution counts as its root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskCount {
    /// The function.
    pub function: FunctionName,
    /// The state.
    pub state: TaskState,
    /// How many; never 0.
    pub tasks: u64,
}

/// The place of a progress entry among those of its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProgressCursor {
    /// When it was written.
    pub at: Timestamp,
    /// By which task.
    pub task: TaskId,
    /// Its place in the task's journal.
    pub seq: u32,
}

/// One entry of an execution's progress.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressEntry {
    /// Its place.
    pub cursor: ProgressCursor,
    /// What happened.
    pub event: ProgressEvent,
}

/// What a progress entry tells.
#[derive(Debug, Clone, PartialEq)]
pub enum ProgressEvent {
    /// The function's own note.
    Note(String),
    /// A chunk of a map closed: items done so far (C-M4).
    Chunk {
        /// The map.
        map: OperationId,
        /// Items closed so far.
        closed: u32,
    },
}

/// What an operator reads. Executions that are being deleted are not shown; pages are in the order told.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Executions, newest first (by id, descending).
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are left out (S19).
    async fn list_executions(
        &self,
        filter: &ExecutionFilter,
        page: Page<ExecutionId>,
    ) -> Result<Vec<ExecutionRecord>, BackendError>;

    /// How many executions.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn count_executions(&self, filter: &ExecutionFilter) -> Result<u64, BackendError>;

    /// The executions that ended in a span of time, its end not included, counted by function and state, in this order: the rates of a store. A short
    /// span costs what it holds, however much ended before.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are left out (S19).
    async fn count_ended(&self, span: Range<Timestamp>) -> Result<Vec<TaskCount>, BackendError>;

    /// One execution.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or the row cannot be read.
    async fn execution(&self, id: ExecutionId) -> Result<Option<ExecutionRecord>, BackendError>;

    /// Tasks, by id, ascending.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are left out (S19).
    async fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Result<Vec<TaskRecord>, BackendError>;

    /// How many tasks.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn count_tasks(&self, filter: &TaskFilter) -> Result<u64, BackendError>;

    /// The children of a task, counted by function and state, in this order; a map of any size is a few counts.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are left out (S19).
    async fn count_children(&self, parent: TaskId) -> Result<Vec<TaskCount>, BackendError>;

    /// One task.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or the row cannot be read.
    async fn task(&self, id: TaskId) -> Result<Option<TaskRecord>, BackendError>;

    /// Arguments and results of tasks, in the order asked for; `None` for those that do not exist. The only way to payloads here.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a row cannot be read.
    async fn payloads(&self, tasks: &[TaskId]) -> Result<Vec<Option<TaskPayloads>>, BackendError>;

    /// What a suspended task waits for, besides its timer and the ends of its calls: signals and maps, signals by name first. Nothing of a task that is
    /// not suspended.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a row cannot be read.
    async fn waits(&self, task: TaskId) -> Result<Vec<Wait>, BackendError>;

    /// The journal of a task's present generation, by `seq`; payloads in it are empty.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a row cannot be read.
    async fn list_journal(&self, task: TaskId, page: Page<u32>) -> Result<Vec<JournalEntry>, BackendError>;

    /// The progress of an execution, oldest first (C-V2). Reading an execution's state never reads this.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or a row cannot be read.
    async fn list_progress(
        &self,
        execution: ExecutionId,
        page: Page<ProgressCursor>,
    ) -> Result<Vec<ProgressEntry>, BackendError>;

    /// Dead letters, by task id, ascending.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble. Rows that cannot be read are left out (S19).
    async fn list_dead_letters(
        &self,
        filter: &DeadLetterFilter,
        page: Page<TaskId>,
    ) -> Result<Vec<DeadLetter>, BackendError>;

    /// How many dead letters.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn count_dead_letters(&self, filter: &DeadLetterFilter) -> Result<u64, BackendError>;

    /// One dead letter.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble, or the row cannot be read.
    async fn dead_letter(&self, task: TaskId) -> Result<Option<DeadLetter>, BackendError>;

    /// The depths of queues that hold open tasks, tasks without a queue first, then by name. Ready are pending tasks and due ones that no claim has promoted yet.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn queues(&self, now: Timestamp) -> Result<Vec<QueueRecord>, BackendError>;

    /// The workers that were heard of, by id.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn workers(&self) -> Result<Vec<WorkerRecord>, BackendError>;

    /// The limited functions that were claimed, by name.
    ///
    /// # Errors
    /// [`BackendError`] if the store is in trouble.
    async fn limits(&self) -> Result<Vec<LimitRecord>, BackendError>;
}
