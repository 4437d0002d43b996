//! Suspensions that meet what others hold: they wait for what may end their wait, no longer than a moment, and never one for the other.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::sync::Arc;
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, Inspect};
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest};
use stent_core::commit::Suspended;
use stent_core::execution::NewExecution;
use stent_core::task::{NewTask, Suspension, TaskState, Wait};
use stent_core::{ClaimToken, ExecutionId, Fingerprint, Payload, RetryPolicy, Timestamp, WorkerId};
use tokio_postgres::Client;

use server::Schema;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);

struct Store {
    backend: PostgresBackend,
    /// Another process, in the middle of a transaction.
    other: Client,
    watcher: Client,
    _schema: Schema,
}

async fn store() -> Store {
    let schema = Schema::new();
    let backend = schema.options().open().await.unwrap();
    let (other, watcher) = (schema.client().await, schema.client().await);
    other.batch_execute("BEGIN").await.unwrap();
    Store { backend, other, watcher, _schema: schema }
}

impl Store {
    /// Executions that run.
    async fn start(&self, count: usize) -> Vec<Claim> {
        let task = NewTask {
            function: "f".try_into().unwrap(),
            version: None,
            input: Payload::default(),
            fingerprint: Fingerprint::from_bytes([7; 32]),
            queue: None,
            tags: Arc::new([]),
            priority: 0,
            due: NOW,
            retry: Arc::new(RetryPolicy::default()),
            max_concurrent: None,
            memo: None,
            trace: None,
            claim: None,
        };
        let new = || NewExecution {
            id: ExecutionId::new(NOW),
            task: task.clone(),
            max_duration: None,
            dedup: None,
            born: None,
        };
        let _ = self.backend.dispatch(NOW, &(0..count).map(|_| new()).collect::<Vec<_>>()).await.unwrap();
        let request = ClaimRequest {
            worker: WorkerId::random(),
            token: ClaimToken::random(),
            lease: Duration::from_secs(60),
            limit: 1_000,
            functions: Arc::new([ClaimFunction { name: "f".try_into().unwrap(), version: None, max_concurrent: None }]),
            queues: Arc::new([]),
            tags: Arc::new([]),
            take_expired: false,
            is_poll: false,
        };
        self.backend.claim(NOW, &request).await.unwrap().tasks.into_iter().map(|task| task.claim).collect()
    }

    /// What the other process does in its transaction.
    async fn hold(&self, sql: &str, task: Claim) {
        self.other.execute(sql, &[task.task.as_uuid()]).await.unwrap();
    }

    /// Suspends, and commits the other's transaction as soon as that waits for it.
    async fn meet(&self, nap: Suspension) -> Suspended {
        let backend = self.backend.clone();
        let suspended = tokio::spawn(async move { backend.suspend(NOW, &[nap]).await.unwrap()[0] });
        let waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_locks AS mine USING (pid)
            WHERE NOT l.granted AND mine.relation = 'tasks'::regclass";
        while self.watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 && !suspended.is_finished() {}
        self.other.batch_execute("COMMIT").await.unwrap();
        suspended.await.unwrap()
    }
}

fn nap(claim: Claim, waits: &[Wait]) -> Suspension {
    Suspension { claim, until: None, waits: waits.to_vec() }
}

fn signal() -> Wait {
    Wait::Signal("go".try_into().unwrap())
}

/// C-Q5 A send that is under way when a task suspends itself is seen by one of the two.
#[tokio::test]
async fn a_suspension_waits_for_a_send_that_is_under_way() {
    let store = store().await;
    let task = store.start(1).await[0];
    let slot = "INSERT INTO signals (execution, name) VALUES ($1, 'go')";
    store.watcher.execute(slot, &[task.task.as_uuid()]).await.unwrap();
    store.hold("UPDATE signals SET value = 'x' WHERE execution = $1", task).await;
    assert_eq!(store.meet(nap(task, &[signal()])).await, Suspended::Awake);
}

/// C-Q5 The same where nobody has made the slot before.
#[tokio::test]
async fn a_suspension_waits_for_a_send_that_makes_the_slot() {
    let store = store().await;
    let task = store.start(1).await[0];
    store.hold("INSERT INTO signals (execution, name, value) VALUES ($1, 'go', 'x')", task).await;
    assert_eq!(store.meet(nap(task, &[signal()])).await, Suspended::Awake);
}

/// C-Q5 A sender meets a suspended task at its slot, also if nobody has made that before.
#[tokio::test]
async fn a_suspended_task_has_a_slot() {
    let store = store().await;
    let task = store.start(1).await[0];
    assert_eq!(store.backend.suspend(NOW, &[nap(task, &[signal()])]).await.unwrap(), [Suspended::Yes]);
    let slots = "SELECT count(*) FROM signals WHERE execution = $1 AND name = 'go' AND value IS NULL";
    let slots = store.watcher.query_one(slots, &[task.task.as_uuid()]).await.unwrap();
    assert_eq!(slots.get::<_, i64>(0), 1);
}

/// C-Q4 Whoever ends a child holds its parent: the parent's suspension waits a moment, and goes through if that was no wait of its own.
#[tokio::test]
async fn a_suspension_waits_for_the_end_of_another_child() {
    let store = store().await;
    let task = store.start(1).await[0];
    store.hold("SELECT FROM tasks WHERE id = $1 FOR KEY SHARE", task).await;
    // It is put off where the machine is so slow that the moment is over before.
    let answer = store.meet(nap(task, &[])).await;
    let state = store.backend.task(task.task).await.unwrap().unwrap().state;
    assert!(
        [(Suspended::Yes, TaskState::Suspended), (Suspended::Awake, TaskState::Running)].contains(&(answer, state))
    );
}

/// C-Q4 A suspension that must wait for too long stays in memory, holds up no other of its batch, and can be tried again.
#[tokio::test]
async fn a_task_that_is_held_by_another_stays_in_memory_alone() {
    let store = store().await;
    let tasks = store.start(50).await;
    for held in [tasks[7], tasks[30], tasks[31]] {
        store.hold("SELECT FROM tasks WHERE id = $1 FOR KEY SHARE", held).await;
    }
    let naps: Vec<_> = tasks.iter().map(|task| nap(*task, &[signal()])).collect();
    let answers = store.backend.suspend(NOW, &naps).await.unwrap();
    for (place, answer) in answers.into_iter().enumerate() {
        let is_held = [7, 30, 31].contains(&place);
        assert_eq!(answer, if is_held { Suspended::Awake } else { Suspended::Yes }, "{place}");
        let state = store.backend.task(tasks[place].task).await.unwrap().unwrap().state;
        assert_eq!(state, if is_held { TaskState::Running } else { TaskState::Suspended }, "{place}");
    }
    store.other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(store.backend.suspend(NOW, &naps).await.unwrap(), [Suspended::Yes; 50]);
}
