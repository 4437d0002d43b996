//! Batches: one statement does what many items ask for, and the outcome is that of the items one by one.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::sync::Arc;
use std::time::Duration;

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, Inspect, Journal, Outcomes, Signals};
use stent_core::claim::{Claim, ClaimFunction, ClaimRequest};
use stent_core::commit::{Commit, Dispatched, Sent, Suspended, TurnCommit};
use stent_core::execution::NewExecution;
use stent_core::id::{ClaimToken, ExecutionId, SignalId, TaskId, WorkerId};
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::{OperationOutcome, Outcome};
use stent_core::payload::{Fingerprint, Payload};
use stent_core::retry::{ErrorClass, RetryPolicy};
use stent_core::signal::SignalSend;
use stent_core::task::{End, NewChild, NewTask, Resume, Suspension, TaskEnd, TaskState, Wait};
use stent_core::{Failure, Timestamp};

use server::Schema;

const NOW: Timestamp = Timestamp::from_micros(1_000_000);
const APPLIED: TurnCommit = TurnCommit::Applied { taken: None };

struct Store {
    schema: Schema,
    backend: PostgresBackend,
}

async fn store() -> Store {
    let schema = Schema::new();
    Store { backend: schema.options().open().await.unwrap(), schema }
}

fn task(function: &str) -> NewTask {
    NewTask {
        function: function.try_into().unwrap(),
        version: None,
        input: Payload::default(),
        fingerprint: Fingerprint::from_bytes([1; 32]),
        queue: None,
        tags: Arc::new([]),
        priority: 0,
        due: NOW,
        retry: Arc::new(RetryPolicy::default()),
        max_concurrent: None,
        memo: None,
        trace: None,
        claim: None,
    }
}

fn call(parent: TaskId, turn: u32, function: &str) -> NewChild {
    let task = task(function);
    let key = OperationKey::from(task.fingerprint);
    let operation = OperationId { turn, kind: OperationKind::Call, name: function.into(), key, number: 0 };
    NewChild { id: TaskId::child(parent, 0, &operation, None), operation, index: None, task, born: None }
}

fn turn(claim: Claim) -> TurnWrite {
    TurnWrite {
        claim,
        generation: 0,
        entries: Vec::new(),
        children: Vec::new(),
        dispatches: Vec::new(),
        cancels: Vec::new(),
        variables: Vec::new(),
        take: None,
    }
}

fn note(seq: u32) -> JournalEntry {
    JournalEntry { seq, turn: 0, at: NOW, body: EntryBody::Note("here".into()) }
}

fn completed(claim: Claim) -> TaskEnd {
    TaskEnd { claim, end: End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() } }
}

impl Store {
    /// An execution of this function, running.
    async fn start(&self, function: &str) -> Claim {
        let id = ExecutionId::new(NOW);
        let new = NewExecution { id, task: task(function), max_duration: None, dedup: None, born: None };
        assert_eq!(self.backend.dispatch(NOW, &[new]).await.unwrap(), [Dispatched::Created]);
        let claims = self.claim(function).await;
        assert_eq!(claims.len(), 1);
        claims[0]
    }

    /// A child of a running task, running.
    async fn start_child(&self, parent: Claim, function: &str) -> Claim {
        let write = TurnWrite { children: vec![call(parent.task, 0, function)], ..turn(parent) };
        assert_eq!(self.backend.write(NOW, &[write]).await.unwrap(), [APPLIED]);
        let claims = self.claim(function).await;
        assert_eq!(claims.len(), 1);
        claims[0]
    }

    async fn claim(&self, function: &str) -> Vec<Claim> {
        let function = ClaimFunction { name: function.try_into().unwrap(), version: None, max_concurrent: None };
        let request = ClaimRequest {
            worker: WorkerId::random(),
            token: ClaimToken::random(),
            lease: Duration::from_secs(60),
            limit: 1_000,
            functions: Arc::new([function]),
            queues: Arc::new([]),
            tags: Arc::new([]),
            take_expired: false,
            is_poll: false,
        };
        let claimed = self.backend.claim(NOW, &request).await.unwrap();
        claimed.tasks.into_iter().map(|task| task.claim).collect()
    }

    async fn end(&self, ends: &[TaskEnd]) -> Vec<Commit> {
        self.backend.complete(NOW, ends).await.unwrap()
    }

    async fn state(&self, claim: Claim) -> TaskState {
        self.backend.task(claim.task).await.unwrap().unwrap().state
    }
}

/// C-Y6 An end cancels what is open below it, and what ends with it is not.
#[tokio::test]
async fn a_parent_and_its_child_end_in_one_batch_in_whichever_order() {
    for is_parent_first in [true, false] {
        let store = store().await;
        let parent = store.start("parent").await;
        let child = store.start_child(parent, "child").await;
        let below = store.start_child(child, "below").await;
        let mut ends = [completed(child), completed(parent)];
        if is_parent_first {
            ends.reverse();
        }
        assert_eq!(store.end(&ends).await, [Commit::Applied; 2]);
        assert_eq!(store.state(parent).await, TaskState::Completed);
        assert_eq!(store.state(child).await, TaskState::Completed);
        assert_eq!(store.state(below).await, TaskState::Cancelled);
        assert_eq!(store.end(&ends).await, [Commit::Applied; 2], "C-Q2: and so does a repeat");
    }
}

/// C-Q5 Tasks are locked from below, those of several depths too: who waits for a child does not hold its parent, for which the child's holder may wait.
#[tokio::test]
async fn an_end_that_waits_for_its_task_does_not_hold_the_parent() {
    let store = store().await;
    let parent = store.start("parent").await;
    let child = store.start_child(parent, "child").await;
    let nap = Suspension { claim: parent, until: None, waits: vec![Wait::Child(child.task)] };
    assert_eq!(store.backend.suspend(NOW, &[nap]).await.unwrap(), [Suspended::Yes]);

    let (other, watcher) = (store.schema.client().await, store.schema.client().await);
    other.batch_execute("BEGIN").await.unwrap();
    let lock = "SELECT FROM tasks WHERE id = $1 FOR NO KEY UPDATE NOWAIT";
    other.execute(lock, &[child.task.as_uuid()]).await.unwrap();
    let backend = store.backend.clone();
    let ending = tokio::spawn(async move { backend.complete(NOW, &[completed(child)]).await.unwrap() });
    let waiting = "SELECT count(*) FROM pg_locks AS l JOIN pg_locks AS mine USING (pid)
        WHERE NOT l.granted AND mine.relation = 'tasks'::regclass";
    while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 && !ending.is_finished() {}
    let locked = other.execute(lock, &[parent.task.as_uuid()]).await;
    assert!(locked.is_ok(), "the parent is held by who waits for its child: {locked:?}");
    other.batch_execute("COMMIT").await.unwrap();
    assert_eq!(ending.await.unwrap(), [Commit::Applied]);
    assert_eq!(store.state(parent).await, TaskState::Pending);
}

/// C-Y6 What a batch puts back or wakes is open, and an end of the batch above it cancels it.
#[tokio::test]
async fn an_end_cancels_what_the_same_batch_puts_back_or_wakes() {
    let store = store().await;
    let root = store.start("root").await;
    let waiting = store.start_child(root, "waiting").await;
    let (ending, retried) = (call(waiting.task, 0, "ending"), call(waiting.task, 0, "retried"));
    let write = TurnWrite { children: vec![ending, retried], ..turn(waiting) };
    assert_eq!(store.backend.write(NOW, &[write]).await.unwrap(), [APPLIED]);
    let (ending, retried) = (store.claim("ending").await[0], store.claim("retried").await[0]);
    let suspension = Suspension { claim: waiting, until: None, waits: Vec::new() };
    assert_eq!(store.backend.suspend(NOW, &[suspension]).await.unwrap(), [Suspended::Yes]);
    let failure = Failure::new(ErrorClass::new("Flaky").unwrap(), "not now");
    let retry = End::Retry { at: NOW, failure, resume: Resume::Restart };
    let ends = [completed(root), TaskEnd { claim: retried, end: retry }, completed(ending)];
    assert_eq!(store.end(&ends).await, [Commit::Applied; 3]);
    assert_eq!(store.state(ending).await, TaskState::Completed);
    assert_eq!(store.state(waiting).await, TaskState::Cancelled);
    assert_eq!(store.state(retried).await, TaskState::Cancelled);
}

/// C-R9 What a task makes in a batch in which its parent abandons it is cancelled with it.
#[tokio::test]
async fn what_an_abandoned_childs_turn_makes_in_the_same_batch_is_cancelled() {
    for is_parent_first in [true, false] {
        let store = store().await;
        let parent = store.start("parent").await;
        let child = store.start_child(parent, "child").await;
        let below = call(child.task, 1, "below");
        let gone = Abandoned { turn: 2, children: AbandonedChildren::Child(child.task) };
        let mut turns = [
            TurnWrite { children: vec![below.clone()], ..turn(child) },
            TurnWrite { cancels: vec![gone], ..turn(parent) },
        ];
        if is_parent_first {
            turns.reverse();
        }
        assert_eq!(store.backend.write(NOW, &turns).await.unwrap(), [APPLIED, APPLIED]);
        assert_eq!(store.state(child).await, TaskState::Cancelled);
        assert_eq!(store.backend.task(below.id).await.unwrap().unwrap().state, TaskState::Cancelled);
        assert_eq!(store.state(parent).await, TaskState::Running);
    }
}

/// C-S2 A value is taken once: by the first of a batch that asks for it.
#[tokio::test]
async fn two_tasks_of_a_batch_do_not_take_one_value() {
    let store = store().await;
    let parent = store.start("parent").await;
    let child = store.start_child(parent, "child").await;
    let execution = parent.task.as_execution();
    let value = Payload::from(b"yes".as_slice());
    let send = SignalSend { id: SignalId::random(), execution, name: "go".try_into().unwrap(), value: value.clone() };
    assert_eq!(store.backend.send(NOW, &send).await.unwrap(), Sent::Stored { overwrote: false });
    let wait =
        OperationId { turn: 0, kind: OperationKind::Signal, name: "go".into(), key: OperationKey::none(), number: 0 };
    let take = Take { name: "go".try_into().unwrap(), seq: 0, turn: 0, at: NOW, operation: wait, until: None };
    let turns = [parent, child].map(|claim| TurnWrite { take: Some(take.clone()), ..turn(claim) });
    let taken = TurnCommit::Applied { taken: Some(OperationOutcome::Completed(value.clone())) };
    for _ in 0..2 {
        assert_eq!(store.backend.write(NOW, &turns).await.unwrap(), [taken.clone(), APPLIED]);
    }
    let journaled = store.backend.load(parent.task, 0).await.unwrap().entries;
    let body = EntryBody::Outcome(take.operation, OperationOutcome::Completed(value));
    assert_eq!(journaled, [JournalEntry { seq: 0, turn: 0, at: NOW, body }]);
    assert!(store.backend.load(child.task, 0).await.unwrap().entries.is_empty());
}

/// C-Q2 Every item of a large batch is answered for itself.
#[tokio::test]
async fn lost_claims_among_a_thousand_are_lost_alone() {
    let store = store().await;
    let parent = store.start("parent").await;
    let children: Vec<_> = (0..1_000).map(|turn| call(parent.task, turn, "child")).collect();
    let write = TurnWrite { children, ..turn(parent) };
    assert_eq!(store.backend.write(NOW, &[write]).await.unwrap(), [APPLIED]);
    let mut claims = store.claim("child").await;
    assert_eq!(claims.len(), 1_000);
    let lost = [0, 500, 999];
    for place in lost {
        claims[place].token = ClaimToken::random();
    }
    let turns: Vec<_> = claims.iter().map(|claim| TurnWrite { entries: vec![note(0)], ..turn(*claim) }).collect();
    let written = store.backend.write(NOW, &turns).await.unwrap();
    let ended = store.end(&claims.iter().map(|claim| completed(*claim)).collect::<Vec<_>>()).await;
    for place in 0..1_000 {
        let is_lost = lost.contains(&place);
        assert_eq!(written[place] == TurnCommit::ClaimLost, is_lost, "{place}");
        assert_eq!(ended[place] == Commit::ClaimLost, is_lost, "{place}");
        let journal = store.backend.load(claims[place].task, 0).await.unwrap().entries;
        assert_eq!(journal.is_empty(), is_lost, "{place}");
    }
}

/// Payloads that together are more than one blob should hold go in several.
#[tokio::test]
async fn a_batch_of_large_results_keeps_each_of_them() {
    let store = store().await;
    let parent = store.start("parent").await;
    let children = (0..5).map(|turn| call(parent.task, turn, "child")).collect();
    let write = TurnWrite { children, ..turn(parent) };
    assert_eq!(store.backend.write(NOW, &[write]).await.unwrap(), [APPLIED]);
    let claims = store.claim("child").await;
    let result = |place: u8| Payload::from(vec![place; 7 << 20]);
    let ends = claims.iter().zip(0..).map(|(claim, place)| {
        let output = if place == 2 { Payload::default() } else { result(place) };
        TaskEnd { claim: *claim, end: End::Completed { output, variables: Vec::new(), notes: Vec::new() } }
    });
    assert_eq!(store.end(&ends.collect::<Vec<_>>()).await, [Commit::Applied; 5]);
    let tasks: Vec<_> = claims.iter().map(|claim| claim.task).collect();
    let ended = store.backend.tasks(&tasks).await.unwrap();
    for (place, ended) in (0..).zip(ended) {
        let expected = if place == 2 { Payload::default() } else { result(place) };
        assert!(ended.unwrap().outcome == Outcome::Completed(expected), "{place}");
    }
}
