//! A backend whose calls can be held: before they reach the store, or before their answer comes back.
//!
//! The process behind it can be killed: then nothing that it asked for reaches the store any more.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use stent_core::backend::{
    Claims, Completion, DeadLetterFilter, Dispatch, ExecutionFilter, HasWakeUps, Inspect, Journal, Maintenance, Memos,
    Outcomes, Page, ProgressCursor, ProgressEntry, Pruned, ReadVariables, RedriveTarget, Signals, TaskCount,
    TaskFilter, Watch,
};
use stent_core::claim::{Claim, ClaimRequest, Claimed, Renewal};
use stent_core::commit::{Cancelled, Commit, Dispatched, Redriven, Reserved, Sent, Suspended, TurnCommit};
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
use stent_core::{BackendError, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};
use stent_testkit::memory::MemoryBackend;
use tokio::sync::oneshot;

use super::random::Random;

/// The store as one process reaches it.
#[derive(Clone)]
pub(super) struct Gate(Arc<Shared>);

struct Shared {
    store: MemoryBackend,
    state: Mutex<State>,
}

struct State {
    /// How many of a hundred calls are held, once before and once after they reach the store.
    held: u64,
    random: Random,
    is_dead: bool,
    waiting: Vec<oneshot::Sender<()>>,
    writes: u32,
}

impl Gate {
    /// A gate that holds nothing yet.
    pub(super) fn new(store: &MemoryBackend, random: Random) -> Self {
        let state = State { held: 0, random, is_dead: false, waiting: Vec::new(), writes: 0 };
        Self(Arc::new(Shared { store: store.clone(), state: Mutex::new(state) }))
    }

    /// From now on so many of a hundred calls are held.
    pub(super) fn hold(&self, percent: u64) {
        self.state().held = percent;
    }

    /// The process is gone.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.is_dead = true;
        state.waiting.clear();
    }

    pub(super) fn is_holding(&self) -> bool {
        !self.state().waiting.is_empty()
    }

    /// Lets one of the held calls go on.
    pub(super) fn release(&self, random: &mut Random) {
        let mut state = self.state();
        let at = random.index(state.waiting.len());
        // An error says that its caller is gone.
        let _ = state.waiting.remove(at).send(());
    }

    /// How many turns and suspensions were asked for.
    pub(super) fn writes(&self) -> u32 {
        self.state().writes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn around<T>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T, BackendError>> + Send,
    ) -> Result<T, BackendError> {
        self.state().writes += u32::from(matches!(name, "write" | "suspend"));
        self.pass(name).await?;
        let answer = call.await;
        self.pass(name).await?;
        answer
    }

    async fn pass(&self, name: &'static str) -> Result<(), BackendError> {
        let gone = || BackendError::new(ErrorKind::Closed, name).with_message("the process is gone");
        let held = {
            let mut state = self.state();
            if state.is_dead {
                return Err(gone());
            }
            let percent = state.held;
            if !state.random.chance(percent) {
                return Ok(());
            }
            let (release, held) = oneshot::channel();
            state.waiting.push(release);
            held
        };
        held.await.map_err(|_| gone())
    }
}

/// No hints: the world tells a process of what it should know, or it finds out.
impl HasWakeUps for Gate {}

macro_rules! gated {
    ($role:ident { $(fn $method:ident(&self $(, $argument:ident: $type:ty)*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $role for Gate {$(
            async fn $method(&self $(, $argument: $type)*) -> Result<$answer, BackendError> {
                self.around(stringify!($method), self.0.store.$method($($argument),*)).await
            }
        )*}
    };
}
gated!(Dispatch {
    fn dispatch(&self, now: Timestamp, executions: &[NewExecution]) -> Vec<Dispatched>;
    fn cancel(&self, now: Timestamp, execution: ExecutionId) -> Cancelled;
    fn redrive(&self, now: Timestamp, target: RedriveTarget) -> Redriven;
    fn expire(&self, now: Timestamp, limit: u32) -> Vec<ExecutionId>;
});

gated!(Claims {
    fn claim(&self, now: Timestamp, request: &ClaimRequest) -> Claimed;
    fn renew(&self, now: Timestamp, worker: &WorkerRecord, claims: &[Claim]) -> Vec<Renewal>;
    fn lapse(&self, now: Timestamp, worker: WorkerId) -> u32;
});

gated!(Journal {
    fn load(&self, task: TaskId, generation: u32) -> LoadedJournal;
    fn write(&self, now: Timestamp, turns: &[TurnWrite]) -> Vec<TurnCommit>;
});

gated!(Completion {
    fn complete(&self, now: Timestamp, ends: &[TaskEnd]) -> Vec<Commit>;
    fn suspend(&self, now: Timestamp, suspensions: &[Suspension]) -> Vec<Suspended>;
});

gated!(Outcomes {
    fn tasks(&self, tasks: &[TaskId]) -> Vec<Option<Ended>>;
    fn map_items(&self, parent: TaskId, generation: u32, operation: &OperationId, items: Range<u32>) -> Vec<MapItem>;
    fn executions(&self, executions: &[ExecutionId]) -> Vec<ExecutionStatus>;
    fn news(&self, watches: &[Watch]) -> Vec<bool>;
});

gated!(Signals {
    fn send(&self, now: Timestamp, send: &SignalSend) -> Sent;
});

gated!(Memos {
    fn recall(&self, now: Timestamp, keys: &[Fingerprint]) -> Vec<Option<Payload>>;
    fn reserve(&self, now: Timestamp, claim: Claim, key: Fingerprint) -> Reserved;
});

gated!(ReadVariables {
    fn read(&self, execution: ExecutionId) -> Variables;
});

gated!(Inspect {
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

gated!(Maintenance {
    fn migrate(&self) -> ();
    fn schema_version(&self) -> u32;
    fn ping(&self) -> Option<Timestamp>;
    fn prune(&self, now: Timestamp, before: Timestamp) -> Pruned;
    fn discard_dead_letter(&self, task: TaskId) -> bool;
});
