//! Tasks: one durable function call inside an execution each.

mod end;
mod state;

use std::sync::Arc;

pub use end::{End, Resume, ResumePoint, Suspension, TaskEnd, Wait};
pub use state::TaskState;

use crate::claim::FirstClaim;
use crate::failure::Failure;
use crate::id::{ExecutionId, TaskId, WorkerId};
use crate::memo::Memo;
use crate::name::{FunctionName, QueueName, Tag, Version};
use crate::operation::OperationId;
use crate::payload::{Fingerprint, Payload};
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// What a call says about the task that it becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    /// The function.
    pub function: FunctionName,
    /// The version of its code, where pinned: only workers that have it take the task (C-R7).
    pub version: Option<Version>,
    /// The encoded arguments.
    pub input: Payload,
    /// The fingerprint of the canonical input (C-K1).
    pub fingerprint: Fingerprint,
    /// The queue.
    pub queue: Option<QueueName>,
    /// At most [`limits::TAGS`](crate::limits::TAGS) tags.
    pub tags: Arc<[Tag]>,
    /// High goes first.
    pub priority: i32,
    /// From when it may be claimed.
    pub due: Timestamp,
    /// How it is retried.
    pub retry: Arc<RetryPolicy>,
    /// The function's limit over all workers, if it has one (C-Q3).
    pub max_concurrent: Option<u32>,
    /// How its result is shared.
    pub memo: Option<Memo>,
    /// The W3C `traceparent` of what made it.
    pub trace: Option<Arc<str>>,
    /// The claim it is made with, if a worker of this process begins it at once: of a due task without a known result, whose function has no limit.
    pub claim: Option<FirstClaim>,
}

/// A task to be made by a task.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChild {
    /// Its id, [`TaskId::child`].
    pub id: TaskId,
    /// The call or map that makes it; its name and key are the child's function and fingerprint, or none for a map's.
    pub operation: OperationId,
    /// Its place in a map; `None` for a call.
    pub index: Option<u32>,
    /// The task.
    pub task: NewTask,
    /// Its result, if it is known: the child is born completed (C-M5).
    pub born: Option<Payload>,
}

/// A child of a call, as a replay needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildRecord {
    /// The child.
    pub id: TaskId,
    /// The call that made it.
    pub operation: OperationId,
    /// The recorded input, so that today's types can be compared with it (C-R4).
    pub input: Payload,
    /// When it was made, or last reopened (C-Y5): the bound of its call counts from then (C-T1).
    pub since: Timestamp,
    /// How it ended, if it has.
    pub ended: Option<crate::outcome::Ended>,
}

/// One item of a map, as its parent needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct MapItem {
    /// Its place.
    pub index: u32,
    /// The fingerprint of its recorded input.
    pub fingerprint: Fingerprint,
    /// How it ended, if it has.
    pub ended: Option<crate::outcome::Ended>,
}

/// What a task was given and what it gave.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskPayloads {
    /// The encoded arguments.
    pub input: Payload,
    /// The encoded result, of one that completed.
    pub output: Option<Payload>,
}

/// A task as an operator sees it, without its payloads.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// The task.
    pub id: TaskId,
    /// Its execution.
    pub execution: ExecutionId,
    /// What made it; `None` for a root.
    pub parent: Option<TaskId>,
    /// How far it is from the root.
    pub depth: u32,
    /// Its place in a map.
    pub index: Option<u32>,
    /// Its function.
    pub function: FunctionName,
    /// The pinned version.
    pub version: Option<Version>,
    /// Its queue.
    pub queue: Option<QueueName>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its priority.
    pub priority: i32,
    /// Its state.
    pub state: TaskState,
    /// Attempts so far.
    pub attempt: u32,
    /// Claims in a row that ran out without a new entry.
    pub deliveries: u32,
    /// The generation of its journal.
    pub generation: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when it may be claimed; of a suspended task, when its timer wakes it; of one that has ended, none.
    pub due: Option<Timestamp>,
    /// When it was first claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Who holds it.
    pub worker: Option<WorkerId>,
    /// Until when it is held.
    pub lease_until: Option<Timestamp>,
    /// Its final failure, or the one before the retry it waits for.
    pub failure: Option<Failure>,
    /// Why it was released without having ended.
    pub reason: Option<String>,
    /// The sizes of its arguments and result in bytes; 0 if there is none.
    pub sizes: (u64, u64),
}
