//! Requests, and workers.

use super::value::*;
use std::sync::Arc;
use std::time::Duration;

use stent_core::claim::{ClaimFunction, ClaimRequest, ClaimedTask, FirstClaim};
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{ClaimToken, ExecutionId, TaskId, WorkerId};

/// A request of a new worker and token for up to 1,000 tasks of [`FUNCTIONS`].
pub(crate) fn request() -> ClaimRequest {
    ClaimRequest {
        worker: WorkerId::random(),
        token: ClaimToken::random(),
        lease: LEASE,
        limit: 1_000,
        functions: FUNCTIONS.iter().map(|name| has(name)).collect(),
        queues: Arc::from([]),
        tags: Arc::from([]),
        take_expired: true,
        is_poll: false,
    }
}

/// A claim of a new worker and token that a task is made with.
pub(crate) fn first_claim() -> FirstClaim {
    FirstClaim { worker: WorkerId::random(), token: ClaimToken::random(), lease: LEASE }
}

/// A function that a worker has, of no version and without a limit.
pub(crate) fn has(name: &str) -> ClaimFunction {
    ClaimFunction { name: function(name), version: None, max_concurrent: None }
}

/// A function of a version that a worker has.
pub(crate) fn has_version(name: &str, text: &str) -> ClaimFunction {
    ClaimFunction { version: Some(version(text)), ..has(name) }
}

/// A function with so many places that a worker has.
pub(crate) fn has_limited(name: &str, places: u32) -> ClaimFunction {
    ClaimFunction { max_concurrent: Some(places), ..has(name) }
}

/// What a request says.
pub(crate) trait RequestWith: Sized {
    /// For at most so many tasks.
    fn limit(self, limit: u32) -> Self;
    /// Of a worker that has just these functions.
    fn functions(self, functions: impl IntoIterator<Item = ClaimFunction>) -> Self;
    /// Of a worker that serves these queues.
    fn queues(self, queues: &[&str]) -> Self;
    /// Of a worker with these tags.
    fn tags(self, tags: &[&str]) -> Self;
    /// With this lease.
    fn lease(self, lease: Duration) -> Self;
    /// Of this worker.
    fn worker(self, worker: WorkerId) -> Self;
    /// Of a worker that leaves expired claims alone.
    fn without_expired(self) -> Self;
    /// Of a worker whom nobody has told that there is anything.
    fn poll(self) -> Self;
}

impl RequestWith for ClaimRequest {
    fn limit(mut self, limit: u32) -> Self {
        self.limit = limit;
        self
    }

    fn functions(mut self, functions: impl IntoIterator<Item = ClaimFunction>) -> Self {
        self.functions = functions.into_iter().collect();
        self
    }

    fn queues(mut self, queues: &[&str]) -> Self {
        self.queues = queues.iter().map(|name| queue(name)).collect();
        self
    }

    fn tags(mut self, tags: &[&str]) -> Self {
        self.tags = tags.iter().map(|text| tag(text)).collect();
        self
    }

    fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    fn worker(mut self, worker: WorkerId) -> Self {
        self.worker = worker;
        self
    }

    fn without_expired(mut self) -> Self {
        self.take_expired = false;
        self
    }

    fn poll(mut self) -> Self {
        self.is_poll = true;
        self
    }
}

/// A worker as it announces itself.
pub(crate) fn worker(id: WorkerId) -> WorkerRecord {
    WorkerRecord {
        id,
        process: ProcessIdentity {
            host: "host-1".into(),
            boot: "boot-1".into(),
            namespace: "pid:[4026531836]".into(),
            pid: 4_711,
            started: 9_876_543_210,
        },
        state: WorkerState::Ready,
        concurrency: 8,
        functions: FUNCTIONS.iter().map(|name| has(name)).collect(),
        queues: Arc::from([]),
        tags: Arc::from([]),
        lease: LEASE,
        seen_at: at(0),
    }
}

/// The executions of claimed tasks, in claim order.
pub(crate) fn executions_of(tasks: &[ClaimedTask]) -> Vec<ExecutionId> {
    tasks.iter().map(|task| task.execution).collect()
}

/// The ids of claimed tasks, in claim order.
pub(crate) fn ids_of(tasks: &[ClaimedTask]) -> Vec<TaskId> {
    tasks.iter().map(|task| task.claim.task).collect()
}
