//! A backend whose calls fail as planned: before they reach the store, after they did, from some call on, at random, or never
//! answering at all.
//!
//! What fails is `Unavailable`: the caller cannot know whether the write has happened (S22). A workflow that is run with
//! [`Fault::Dies`] at its k-th call, for every k, meets every crash point of its worker.

mod plan;

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use stent_core::backend::{
    Claims, Completion, DeadLetterFilter, Dispatch, ExecutionFilter, HasWakeUps, Inspect, Journal, Maintenance, Memos,
    Outcomes, Page, ProgressCursor, ProgressEntry, Pruned, ReadVariables, RedriveTarget, Signals, TaskCount,
    TaskFilter, WakeUps, Watch,
};
use stent_core::claim::{Claim, ClaimRequest, Claimed, Renewal};
use stent_core::commit::{Cancelled, Commit, Dispatched, Redriven, Reserved, Sent, Suspended, TurnCommit};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::{ExecutionRecord, ExecutionStatus, NewExecution};
use stent_core::journal::{JournalEntry, LoadedJournal, TurnWrite};
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::signal::SignalSend;
use stent_core::task::{MapItem, Suspension, TaskEnd, TaskPayloads, TaskRecord, Wait};
use stent_core::variable::Variables;
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord};
use stent_core::{Backend, BackendError, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};

pub use plan::{Fault, FaultPlan, Moment};

/// A backend whose calls fail as a [`FaultPlan`] says. Hints pass through, unless it is [without](Self::without_hints) any.
#[derive(Clone)]
pub struct FaultyBackend {
    inner: Arc<dyn Backend>,
    plan: FaultPlan,
    has_hints: bool,
}

impl FaultyBackend {
    /// Wraps a backend. Several may share one plan, and their calls are then counted together.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>, plan: FaultPlan) -> Self {
        Self { inner, plan, has_hints: true }
    }

    /// Gives no hints: everything has to be found by looking (L3).
    #[must_use]
    pub fn without_hints(self) -> Self {
        Self { has_hints: false, ..self }
    }

    /// The plan.
    #[must_use]
    pub fn plan(&self) -> &FaultPlan {
        &self.plan
    }
}

impl HasWakeUps for FaultyBackend {
    fn wake_ups(&self) -> Option<Box<dyn WakeUps>> {
        if self.has_hints { self.inner.wake_ups() } else { None }
    }
}

macro_rules! faulty {
    ($role:ident { $(fn $method:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $role for FaultyBackend {$(
            async fn $method(&self $(, $argument: $type)*) -> Result<$answer, BackendError> {
                self.plan.around(stringify!($method), self.inner.$method($($argument),*)).await
            }
        )*}
    };
}

faulty!(Dispatch {
    fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Vec<Dispatched>;
    fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Cancelled;
    fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Redriven;
    fn expire(&self, now: Timestamp, limit: u32) -> Vec<ExecutionId>;
});

faulty!(Claims {
    fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Claimed;
    fn renew(&self, now: Timestamp, worker: &WorkerRecord, claims: &[Claim]) -> Vec<Renewal>;
    fn lapse(&self, now: Timestamp, worker: WorkerId) -> u32;
});

faulty!(Journal {
    fn load(&self, task: TaskId, generation: u32) -> LoadedJournal;
    fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Vec<TurnCommit>;
});

faulty!(Completion {
    fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Vec<Commit>;
    fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Vec<Suspended>;
});

faulty!(Outcomes {
    fn tasks(&self, tasks: &[TaskId]) -> Vec<Option<Ended>>;
    fn map_items(&self, parent: TaskId, generation: u32, operation: &OperationId, items: Range<u32>) -> Vec<MapItem>;
    fn executions(&self, executions: &[ExecutionId]) -> Vec<ExecutionStatus>;
    fn news(&self, watches: &[Watch]) -> Vec<bool>;
});

faulty!(Signals {
    fn send(&self, now: Timestamp, send: &SignalSend) -> Sent;
});

faulty!(Memos {
    fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Vec<Option<Payload>>;
    fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Reserved;
});

faulty!(ReadVariables {
    fn read(&self, execution: ExecutionId) -> Variables;
});

faulty!(Inspect {
    fn list_executions(&self, filter: &ExecutionFilter, page: Page<ExecutionId>) -> Vec<ExecutionRecord>;
    fn count_executions(&self, filter: &ExecutionFilter) -> u64;
    fn count_ended(&self, span: Range<Timestamp>) -> Vec<TaskCount>;
    fn execution(&self, id: ExecutionId) -> Option<ExecutionRecord>;
    fn list_tasks(&self, filter: &TaskFilter, page: Page<TaskId>) -> Vec<TaskRecord>;
    fn count_tasks(&self, filter: &TaskFilter) -> u64;
    fn count_children(&self, parent: TaskId) -> Vec<TaskCount>;
    fn task(&self, id: TaskId) -> Option<TaskRecord>;
    fn payloads(&self, tasks: &[TaskId]) -> Vec<Option<TaskPayloads>>;
    fn waits(&self, task: TaskId) -> Vec<Wait>;
    fn list_journal(&self, task: TaskId, page: Page<u32>) -> Vec<JournalEntry>;
    fn list_progress(&self, execution: ExecutionId, page: Page<ProgressCursor>) -> Vec<ProgressEntry>;
    fn list_dead_letters(&self, filter: &DeadLetterFilter, page: Page<TaskId>) -> Vec<DeadLetter>;
    fn count_dead_letters(&self, filter: &DeadLetterFilter) -> u64;
    fn dead_letter(&self, task: TaskId) -> Option<DeadLetter>;
    fn queues(&self, now: Timestamp) -> Vec<QueueRecord>;
    fn workers(&self) -> Vec<WorkerRecord>;
    fn limits(&self) -> Vec<LimitRecord>;
});

faulty!(Maintenance {
    fn migrate(&self) -> ();
    fn schema_version(&self) -> u32;
    fn ping(&self) -> Option<Timestamp>;
    fn prune(&self, now: Timestamp, before: Timestamp) -> Pruned;
    fn discard_dead_letter(&self, task: TaskId) -> bool;
});

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use stent_core::error::ErrorKind;
    use stent_core::name::FunctionName;
    use stent_core::task::NewTask;

    use super::*;
    use crate::memory::MemoryBackend;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn faulty(plan: FaultPlan) -> FaultyBackend {
        FaultyBackend::new(Arc::new(MemoryBackend::new()), plan)
    }

    fn execution() -> NewExecution {
        NewExecution {
            id: ExecutionId::new(NOW),
            task: NewTask {
                function: FunctionName::new("ship").unwrap(),
                version: None,
                input: Payload::default(),
                fingerprint: Fingerprint::from_bytes([0; 32]),
                queue: None,
                tags: Arc::new([]),
                priority: 0,
                due: NOW,
                retry: Arc::default(),
                max_concurrent: None,
                memo: None,
                trace: None,
                claim: None,
            },
            max_duration: None,
            dedup: None,
            born: None,
        }
    }

    async fn exists(backend: &FaultyBackend, id: ExecutionId) -> bool {
        backend.inner.execution(id).await.unwrap().is_some()
    }

    #[tokio::test]
    async fn a_call_that_fails_before_has_not_happened_and_one_that_fails_after_has() {
        for (moment, happened) in [(Moment::Before, false), (Moment::After, true)] {
            let backend = faulty(FaultPlan::at(2, Fault::Once(moment)));
            let execution = execution();
            backend.ping().await.unwrap();
            let error = backend.dispatch(NOW, std::slice::from_ref(&execution)).await.unwrap_err();
            assert_eq!((error.kind(), error.operation()), (&ErrorKind::Unavailable, "dispatch"));
            assert_eq!(exists(&backend, execution.id).await, happened);
            backend.ping().await.unwrap();
            assert_eq!(backend.plan().calls(), ["ping", "dispatch", "ping"]);
        }
    }

    #[tokio::test]
    async fn a_dead_backend_does_nothing_until_it_is_repaired() {
        let backend = faulty(FaultPlan::at(1, Fault::Dies(Moment::After)));
        let (first, second) = (execution(), execution());
        assert!(!backend.plan().is_dead(), "its next call still does what it is to do");
        assert!(backend.dispatch(NOW, std::slice::from_ref(&first)).await.is_err());
        assert!(backend.plan().is_dead());
        assert!(backend.dispatch(NOW, std::slice::from_ref(&second)).await.is_err());
        assert!(exists(&backend, first.id).await && !exists(&backend, second.id).await);
        backend.plan().repair();
        assert!(backend.dispatch(NOW, std::slice::from_ref(&second)).await.is_ok());
        assert!(exists(&backend, second.id).await);
        assert_eq!(backend.plan().count(), 3);
    }

    #[tokio::test]
    async fn a_call_that_hangs_fails_once_the_plan_is_repaired() {
        let backend = faulty(FaultPlan::none());
        backend.plan().plan(1, Fault::Hangs(Moment::After));
        let execution = [execution()];
        let mut call = backend.dispatch(NOW, &execution);
        let mut context = Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(&mut context).is_pending());
        assert!(exists(&backend, execution[0].id).await);
        assert!(backend.ping().as_mut().poll(&mut context).is_pending());
        backend.plan().repair();
        assert!(matches!(call.as_mut().poll(&mut context), Poll::Ready(Err(_))));
        assert!(backend.ping().await.is_ok());
    }

    #[tokio::test]
    async fn random_faults_are_the_same_for_the_same_seed_and_as_frequent_as_asked() {
        async fn failures(seed: u64) -> Vec<bool> {
            let backend = faulty(FaultPlan::random(seed, 0.25));
            let mut failed = Vec::new();
            for _ in 0..1_000 {
                failed.push(backend.ping().await.is_err());
            }
            failed
        }
        let first = failures(7).await;
        assert_eq!(first, failures(7).await);
        assert_ne!(first, failures(8).await);
        let count = first.iter().filter(|failed| **failed).count();
        assert!((200..300).contains(&count), "{count} of 1000");
    }
}
