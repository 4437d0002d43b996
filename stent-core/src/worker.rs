//! The registry of workers, kept by their renewals.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::claim::ClaimFunction;
use crate::id::WorkerId;
use crate::name::{QueueName, Tag};
use crate::time::Timestamp;

/// Where a worker is in its life (C-X4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkerState {
    /// Not yet in contact with the database.
    Starting,
    /// Claims tasks.
    Ready,
    /// Claims no more; its tasks finish, suspend or are released.
    Draining,
    /// Holds nothing.
    Stopped,
}

impl WorkerState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Draining, Self::Stopped];

    /// The state's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }

    /// The state of this text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

impl fmt::Display for WorkerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The process of a worker, so that others on its machine can tell that it is gone (C-Q6).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// The machine's name.
    pub host: String,
    /// The boot of the machine; empty if it cannot be told, and then nothing is concluded.
    pub boot: String,
    /// The process namespace, so that containers of one host do not judge each other.
    pub namespace: String,
    /// The process id within the namespace.
    pub pid: u32,
    /// When the process started, in the system's own unit: ids are used again.
    pub started: u64,
}

/// A worker as it announces itself at each renewal.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkerRecord {
    /// The worker.
    pub id: WorkerId,
    /// Its process.
    pub process: ProcessIdentity,
    /// Its state.
    pub state: WorkerState,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// The functions it has.
    pub functions: Arc<[ClaimFunction]>,
    /// The queues it serves.
    pub queues: Arc<[QueueName]>,
    /// Its tags.
    pub tags: Arc<[Tag]>,
    /// How long it lives unless heard of again.
    pub lease: Duration,
    /// When it was last heard of; backends set it to the `now` of the renewal.
    pub seen_at: Timestamp,
}

impl WorkerRecord {
    /// True if it has not stopped and was heard of within its lease.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state != WorkerState::Stopped && self.seen_at.after(self.lease) > now
    }
}

/// The places of a limited function (C-Q3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRecord {
    /// The function.
    pub function: crate::name::FunctionName,
    /// Its places, as the last claim gave them.
    pub max_concurrent: u32,
    /// Places held.
    pub held: u32,
}

/// A queue's depth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueRecord {
    /// The queue; `None` for tasks without one.
    pub queue: Option<QueueName>,
    /// Tasks that could be claimed now.
    pub ready: u64,
    /// Tasks that are not due.
    pub scheduled: u64,
    /// Claimed tasks.
    pub running: u64,
    /// Tasks that wait in the store.
    pub suspended: u64,
    /// Since when the oldest ready task is due.
    pub oldest_ready: Option<Timestamp>,
}
