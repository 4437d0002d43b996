//! A backend without hints: what this process does it tells itself, and the rest is found by polling (L3).

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stent_core::backend::{
    Claims, Completion, DeadLetterFilter, Dispatch, ExecutionFilter, HasWakeUps, Inspect, Journal, Maintenance, Memos,
    Outcomes, Page, ProgressCursor, ProgressEntry, Pruned, ReadVariables, RedriveTarget, Signals, TaskFilter, Watch,
};
use stent_core::claim::{Claim, ClaimRequest, Claimed, Renewal};
use stent_core::commit::{Cancelled, Commit, Dispatched, Redriven, Reserved, Sent, Suspended, TurnCommit};
use stent_core::dead_letter::DeadLetter;
use stent_core::execution::{ExecutionRecord, ExecutionStatus, NewExecution};
use stent_core::journal::{JournalEntry, LoadedJournal, TurnWrite};
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::signal::SignalSend;
use stent_core::task::{MapItem, Suspension, TaskEnd, TaskRecord};
use stent_core::variable::Variables;
use stent_core::worker::{LimitRecord, QueueRecord, WorkerRecord, WorkerState};
use stent_core::{BackendError, ExecutionId, Fingerprint, Payload, TaskId, Timestamp, WorkerId};
use stent_executor::prelude::*;
use stent_executor::{Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::memory::{MemoryBackend, MemoryStore};

use crate::bench::{add, soon};

struct Deaf(MemoryBackend);

impl HasWakeUps for Deaf {}

macro_rules! deaf {
    ($role:ident { $(fn $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }) => {
        #[async_trait]
        impl $role for Deaf {$(
            async fn $method(&self $(, $argument: $type)*) -> Result<$answer, BackendError> {
                self.0.$method($($argument),*).await
            }
        )*}
    };
}

deaf!(Dispatch {
    fn dispatch(now: Timestamp, executions: &[NewExecution]) -> Vec<Dispatched>;
    fn cancel(now: Timestamp, execution: ExecutionId) -> Cancelled;
    fn redrive(now: Timestamp, target: RedriveTarget) -> Redriven;
    fn expire(now: Timestamp, limit: u32) -> Vec<ExecutionId>;
});

deaf!(Claims {
    fn claim(now: Timestamp, request: &ClaimRequest) -> Claimed;
    fn renew(now: Timestamp, worker: &WorkerRecord, claims: &[Claim]) -> Vec<Renewal>;
    fn lapse(now: Timestamp, worker: WorkerId) -> u32;
});

deaf!(Journal {
    fn load(task: TaskId, generation: u32) -> LoadedJournal;
    fn write(now: Timestamp, turns: &[TurnWrite]) -> Vec<TurnCommit>;
});

deaf!(Completion {
    fn complete(now: Timestamp, ends: &[TaskEnd]) -> Vec<Commit>;
    fn suspend(now: Timestamp, suspensions: &[Suspension]) -> Vec<Suspended>;
});

deaf!(Outcomes {
    fn tasks(tasks: &[TaskId]) -> Vec<Option<Ended>>;
    fn map_items(parent: TaskId, generation: u32, operation: &OperationId, items: Range<u32>) -> Vec<MapItem>;
    fn executions(executions: &[ExecutionId]) -> Vec<ExecutionStatus>;
    fn news(watches: &[Watch]) -> Vec<bool>;
});

deaf!(Signals {
    fn send(now: Timestamp, send: &SignalSend) -> Sent;
});

deaf!(Memos {
    fn recall(now: Timestamp, keys: &[Fingerprint]) -> Vec<Option<Payload>>;
    fn reserve(now: Timestamp, claim: Claim, key: Fingerprint) -> Reserved;
});

deaf!(ReadVariables {
    fn read(execution: ExecutionId) -> Variables;
});

deaf!(Inspect {
    fn list_executions(filter: &ExecutionFilter, page: Page<ExecutionId>) -> Vec<ExecutionRecord>;
    fn count_executions(filter: &ExecutionFilter) -> u64;
    fn execution(id: ExecutionId) -> Option<ExecutionRecord>;
    fn list_tasks(filter: &TaskFilter, page: Page<TaskId>) -> Vec<TaskRecord>;
    fn count_tasks(filter: &TaskFilter) -> u64;
    fn task(id: TaskId) -> Option<TaskRecord>;
    fn list_journal(task: TaskId, page: Page<u32>) -> Vec<JournalEntry>;
    fn list_progress(execution: ExecutionId, page: Page<ProgressCursor>) -> Vec<ProgressEntry>;
    fn list_dead_letters(filter: &DeadLetterFilter, page: Page<TaskId>) -> Vec<DeadLetter>;
    fn count_dead_letters(filter: &DeadLetterFilter) -> u64;
    fn dead_letter(task: TaskId) -> Option<DeadLetter>;
    fn queues(now: Timestamp) -> Vec<QueueRecord>;
    fn workers() -> Vec<WorkerRecord>;
    fn limits() -> Vec<LimitRecord>;
});

deaf!(Maintenance {
    fn migrate() -> ();
    fn schema_version() -> u32;
    fn ping() -> Option<Timestamp>;
    fn prune(now: Timestamp, before: Timestamp) -> Pruned;
    fn discard_dead_letter(task: TaskId) -> bool;
});

#[durable]
async fn sum(ctx: Ctx, numbers: Vec<u32>) -> Result<u32> {
    let mut sum = 0;
    for number in numbers {
        sum = ctx.call(add(sum, number)).await?;
    }
    Ok(sum)
}

#[durable]
async fn answer(ctx: Ctx) -> Result<u32> {
    ctx.signal("go").await
}

/// A process of its own on the store.
async fn process(store: &MemoryStore, clock: &ManualClock) -> Stent {
    Stent::builder(Deaf(MemoryBackend::open(store)))
        .functions(functions![add, sum, answer])
        .clock(Arc::new(clock.clone()))
        .build()
        .await
        .unwrap()
}

async fn worker(stent: &Stent) -> Worker {
    let worker = stent.worker().concurrency(2).start().await.unwrap();
    soon("ready", worker.wait_for(WorkerState::Ready)).await;
    worker
}

#[tokio::test]
async fn what_a_process_does_itself_it_waits_for_no_poll_of() {
    let clock = ManualClock::default();
    let stent = process(MemoryBackend::new().store(), &clock).await;
    let _worker = worker(&stent).await;
    let execution = stent.dispatch(sum(vec![1, 2, 3])).await.unwrap();
    assert_eq!(soon("the result", execution.result()).await.unwrap(), 6);
    let waiting = stent.dispatch(answer()).await.unwrap();
    waiting.signal("go", &7).await.unwrap();
    assert_eq!(soon("the result", waiting.result()).await.unwrap(), 7);
}

#[tokio::test]
async fn what_other_processes_do_is_found_by_polling() {
    let (memory, clock) = (MemoryBackend::new(), ManualClock::default());
    let (client, runner) = (process(memory.store(), &clock).await, process(memory.store(), &clock).await);
    let _worker = worker(&runner).await;
    let execution = client.dispatch(answer()).await.unwrap();
    client.dispatch(add(1, 1).delay("90s")).await.unwrap();
    let result = tokio::spawn({
        let execution = execution.clone();
        async move { execution.result().await }
    });
    let time = tokio::spawn(async move {
        loop {
            clock.advance(Duration::from_millis(500));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    execution.signal("go", &7).await.unwrap();
    assert_eq!(soon("the result", result).await.unwrap().unwrap(), 7);
    time.abort();
}
