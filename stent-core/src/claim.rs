//! Claims: a worker's right to a task, the lease that bounds it in time and the token that fences every write (C-Q2).

use std::sync::Arc;
use std::time::Duration;

use crate::error::BackendError;
use crate::failure::Failure;
use crate::id::{ClaimToken, ExecutionId, TaskId, WorkerId};
use crate::memo::Memo;
use crate::name::{FunctionName, QueueName, Tag, Version};
use crate::payload::{Fingerprint, Payload};
use crate::retry::RetryPolicy;
use crate::time::Timestamp;

/// A claimed task, as writes name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The task.
    pub task: TaskId,
    /// The token of the claim.
    pub token: ClaimToken,
}

/// A function that a worker has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClaimFunction {
    /// Its name; an alias is an entry of its own.
    pub name: FunctionName,
    /// The version that tasks must be pinned to; `None`: tasks that are pinned to none.
    pub version: Option<Version>,
    /// The places of this function over all workers (C-Q3).
    pub max_concurrent: Option<u32>,
}

/// What a worker asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimRequest {
    /// Who asks.
    pub worker: WorkerId,
    /// The token of what it gets: random, made by the caller. A repeat with the same token returns the same tasks.
    pub token: ClaimToken,
    /// How long the claim holds unless renewed.
    pub lease: Duration,
    /// At most so many tasks.
    pub limit: u32,
    /// The functions it has (C-R7).
    pub functions: Arc<[ClaimFunction]>,
    /// The queues it serves, besides tasks without one; none: every queue.
    pub queues: Arc<[QueueName]>,
    /// Its tags: it takes tasks that share one and those without any; none: every task.
    pub tags: Arc<[Tag]>,
    /// False for a worker that has just come back from an outage: it takes no expired claims over, so that living holders renew
    /// first (C-Y4).
    pub take_expired: bool,
    /// Nobody has said that there is anything to take: a store may look first whether there is, so that idle workers ask for little (R6).
    pub is_poll: bool,
}

/// What a worker gets.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The tasks, in claim order.
    pub tasks: Vec<ClaimedTask>,
    /// Claimed tasks whose rows cannot be read: the worker ends them, and no other is harmed.
    pub corrupt: Vec<CorruptClaim>,
    /// When the next scheduled or suspended task falls due.
    pub next_due: Option<Timestamp>,
    /// When the next deadline passes.
    pub next_deadline: Option<Timestamp>,
}

/// A claimed task whose row cannot be read.
#[derive(Debug, Clone)]
pub struct CorruptClaim {
    /// The claim.
    pub claim: Claim,
    /// What is wrong.
    pub error: BackendError,
}

/// The claim that a task is made with: who makes it begins to run it at once, and nobody is asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FirstClaim {
    /// Whose it is.
    pub worker: WorkerId,
    /// Its token, random and of this task alone.
    pub token: ClaimToken,
    /// How long it holds unless renewed.
    pub lease: Duration,
}

/// A claimed task.
#[derive(Debug, Clone, PartialEq)]
pub struct ClaimedTask {
    /// The claim.
    pub claim: Claim,
    /// Its execution.
    pub execution: ExecutionId,
    /// What made it.
    pub parent: Option<TaskId>,
    /// How far it is from the root.
    pub depth: u32,
    /// Its function.
    pub function: FunctionName,
    /// Its pinned version.
    pub version: Option<Version>,
    /// Its encoded arguments.
    pub input: Payload,
    /// The fingerprint of its input.
    pub fingerprint: Fingerprint,
    /// Its queue.
    pub queue: Option<QueueName>,
    /// How it is retried.
    pub retry: RetryPolicy,
    /// How its result is shared.
    pub memo: Option<Memo>,
    /// The attempt that this is, from 1; it does not grow by replays (C-Y4).
    pub attempt: u32,
    /// Claims in a row that ran out without a new entry, this one not counted (C-Y4).
    pub deliveries: u32,
    /// The generation of its journal.
    pub generation: u32,
    /// True if the journal of this generation has no entry and no child: there is nothing to load.
    pub is_fresh: bool,
    /// When this journal began: the time of the first turn, the same in every replay (C-R6).
    pub journal_started_at: Timestamp,
    /// When the task was first claimed.
    pub started_at: Timestamp,
    /// Why the attempt before failed.
    pub last_failure: Option<Failure>,
    /// The `traceparent` of what made it.
    pub trace: Option<Arc<str>>,
}

/// What became of a claim at a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a claim that was not renewed must stop its code"]
pub enum Renewal {
    /// It holds for another lease.
    Renewed,
    /// Another has the task, or it has ended.
    Lost,
    /// The task was cancelled.
    Cancelled,
}
