//! Turns, takes, sends, ends, suspensions and cancellations of the same few executions, all at once and from several connections: nothing deadlocks, no value is
//! lost or given twice, no change of a counter is lost or applied twice, and nobody sleeps on after what it waits for.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, Journal, ReadVariables, Signals};
use stent_core::claim::{ClaimFunction, ClaimRequest, ClaimedTask};
use stent_core::commit::{Dispatched, Sent, Suspended, TurnCommit};
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, Made, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::retry::RetryPolicy;
use stent_core::signal::SignalSend;
use stent_core::task::{End, NewChild, NewTask, Resume, Suspension, TaskEnd, Wait};
use stent_core::variable::VariableChange;
use stent_core::{ClaimToken, ExecutionId, Failure, Fingerprint, Payload, SignalId, TaskId, Timestamp, WorkerId};
use tokio::sync::Mutex;

use server::Schema;

const NAMES: [&str; 2] = ["a", "b"];
/// How often all workers together claim tasks.
const ROUNDS: i64 = 100;

/// What the programs know, to be compared with what is stored.
struct World {
    backend: PostgresBackend,
    executions: Mutex<Vec<ExecutionId>>,
    /// Sums of the changes that were applied.
    counted: Mutex<HashMap<ExecutionId, i64>>,
    /// Where values were given: task and seq.
    given: Mutex<HashMap<u64, (TaskId, u32)>>,
    /// What suspended tasks wait for.
    children: Mutex<HashMap<TaskId, Vec<TaskId>>>,
    values: AtomicU64,
    stored: AtomicI64,
    overwrote: AtomicI64,
    suspended: AtomicU64,
    /// Rounds to go.
    left: AtomicI64,
}

fn below(bound: usize) -> usize {
    usize::try_from(uuid::Uuid::new_v4().as_u128() % u128::try_from(bound).unwrap()).unwrap()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

fn task() -> NewTask {
    NewTask {
        function: "f".try_into().unwrap(),
        version: None,
        input: Payload::from(&b"in"[..]),
        fingerprint: Fingerprint::from_bytes([7; 32]),
        queue: None,
        tags: Arc::new([]),
        priority: i32::try_from(below(3)).unwrap(),
        due: now(),
        retry: Arc::new(RetryPolicy::default()),
        max_concurrent: None,
        memo: None,
        trace: None,
    }
}

fn operation(turn: u32, kind: OperationKind, name: &str, number: u32) -> OperationId {
    OperationId { turn, kind, name: name.into(), key: OperationKey::none(), number }
}

/// A task in the hands of a worker.
struct Held {
    task: ClaimedTask,
    seq: u32,
    open: Vec<TaskId>,
}

impl World {
    fn goes_on(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    async fn dispatch(&self) {
        let id = ExecutionId::new(now());
        let execution = NewExecution { id, task: task(), max_duration: None, dedup: None, born: None };
        assert_eq!(self.backend.dispatch(now(), &[execution]).await.unwrap(), [Dispatched::Created]);
        self.executions.lock().await.push(id);
    }

    async fn any(&self) -> ExecutionId {
        let executions = self.executions.lock().await;
        executions[executions.len() - 1 - below(executions.len().min(4))]
    }

    async fn send(&self) {
        while self.goes_on() {
            let value = self.values.fetch_add(1, Ordering::Relaxed);
            let name = NAMES[below(2)].try_into().unwrap();
            let value = Payload::from(&value.to_be_bytes()[..]);
            let send = SignalSend { id: SignalId::random(), execution: self.any().await, name, value };
            let (one, other) = tokio::join!(self.backend.send(now(), &send), self.backend.send(now(), &send));
            let (one, other) = (one.unwrap(), other.unwrap());
            assert_eq!(one, other, "a repeat is answered as the first was");
            if let Sent::Stored { overwrote } = one {
                self.stored.fetch_add(1, Ordering::Relaxed);
                self.overwrote.fetch_add(i64::from(overwrote), Ordering::Relaxed);
            }
        }
    }

    async fn cancel(&self) {
        let _ = self.backend.cancel(now(), self.any().await).await.unwrap();
        self.dispatch().await;
    }

    async fn work(&self) {
        let functions = [ClaimFunction { name: "f".try_into().unwrap(), version: None, max_concurrent: None }];
        let request = ClaimRequest {
            worker: WorkerId::random(),
            token: ClaimToken::random(),
            lease: Duration::from_secs(600),
            limit: 5,
            functions: Arc::new(functions),
            queues: Arc::new([]),
            tags: Arc::new([]),
            take_expired: true,
        };
        while self.goes_on() {
            let request = ClaimRequest { token: ClaimToken::random(), ..request.clone() };
            let mut held = Vec::new();
            for task in self.backend.claim(now(), &request).await.unwrap().tasks {
                self.children.lock().await.remove(&task.claim.task);
                let journal = self.backend.load(task.claim.task, task.generation).await.unwrap();
                let seq = journal.entries.last().map_or(0, |entry| entry.seq + 1);
                let open = journal.children.iter().filter(|child| child.ended.is_none()).map(|child| child.id);
                held.push(Held { seq, open: open.collect(), task });
            }
            match self.left.fetch_sub(1, Ordering::Relaxed) % 12 {
                0 => self.cancel().await,
                _ if held.is_empty() => self.dispatch().await,
                _ => {}
            }
            for _ in 0..1 + below(3) {
                self.turn(&mut held).await;
            }
            self.give_up(held).await;
        }
    }

    async fn turn(&self, held: &mut Vec<Held>) {
        let turns: Vec<_> = held.iter_mut().map(turn).collect();
        if turns.is_empty() {
            return;
        }
        // The second is a repeat that meets the first while it is in flight.
        let twice = below(3) == 0;
        let again = async { if twice { Some(self.backend.write(now(), &turns).await.unwrap()) } else { None } };
        let (one, other) = tokio::join!(self.backend.write(now(), &turns), again);
        let answers = [Some(one.unwrap()), other];
        let mut lost = Vec::new();
        for (place, turn) in turns.iter().enumerate() {
            let of = answers.iter().flatten().map(|answers| &answers[place]);
            let applied = of.clone().any(|commit| matches!(commit, TurnCommit::Applied { .. }));
            for commit in of {
                if let TurnCommit::Applied { taken: Some(OperationOutcome::Completed(value)) } = commit {
                    let value = u64::from_be_bytes(value.as_bytes().try_into().unwrap());
                    let place = (turn.claim.task, turn.take.as_ref().unwrap().seq);
                    let before = self.given.lock().await.insert(value, place);
                    assert!(before.is_none_or(|before| before == place), "a value is given once");
                }
            }
            if applied {
                let by =
                    turn.variables.iter().map(|change| if let VariableChange::Add(_, by) = change { *by } else { 0 });
                *self.counted.lock().await.entry(held[place].task.execution).or_default() += by.sum::<i64>();
            } else {
                lost.push(turn.claim.task);
            }
        }
        held.retain(|held| !lost.contains(&held.task.claim.task));
    }

    async fn give_up(&self, held: Vec<Held>) {
        let (mut ends, mut suspensions) = (Vec::new(), Vec::new());
        for Held { task, open, .. } in held {
            let claim = task.claim;
            let failure = Failure::msg("no");
            let resume = if below(2) == 0 { Resume::Restart } else { Resume::Refused("no".into()) };
            let end = match below(10) {
                0..3 if task.depth > 0 => End::Completed {
                    output: Payload::default(),
                    variables: vec![VariableChange::Add("n".try_into().unwrap(), 1)],
                    notes: vec![(0, "done".into())],
                },
                3 if task.depth > 0 => End::Failed { failure, dead_letter: true, resume },
                4 => End::Retry { at: now(), failure, resume },
                5 => End::Released { until: None, reason: None },
                _ => {
                    let signal = Wait::Signal(NAMES[below(2)].try_into().unwrap());
                    let waits = open.iter().copied().map(Wait::Child).chain([signal]).collect();
                    suspensions
                        .push((Suspension { claim, until: Some(now().after(Duration::from_secs(900))), waits }, open));
                    continue;
                }
            };
            ends.push((TaskEnd { claim, end }, task.execution));
        }
        for (suspension, open) in &suspensions {
            self.children.lock().await.insert(suspension.claim.task, open.clone());
        }
        let given: Vec<_> = suspensions.iter().map(|(suspension, _)| suspension.clone()).collect();
        let answers = self.backend.suspend(now(), &given).await.unwrap();
        let mut awake = Vec::new();
        for ((suspension, _), answer) in suspensions.iter().zip(answers) {
            match answer {
                Suspended::Yes => drop(self.suspended.fetch_add(1, Ordering::Relaxed)),
                Suspended::Awake => {
                    awake.push(TaskEnd { claim: suspension.claim, end: End::Released { until: None, reason: None } })
                }
                Suspended::ClaimLost => {}
            }
        }
        let given: Vec<_> = ends.iter().map(|(end, _)| end.clone()).chain(awake).collect();
        let commits = self.backend.complete(now(), &given).await.unwrap();
        for (((end, execution), commit), _) in ends.iter().zip(commits).zip(0..) {
            if matches!(end.end, End::Completed { .. }) && commit == stent_core::commit::Commit::Applied {
                *self.counted.lock().await.entry(*execution).or_default() += 1;
            }
        }
    }
}

fn turn(held: &mut Held) -> TurnWrite {
    let Held { task, seq, open } = held;
    let (claim, generation, at) = (task.claim, task.generation, now());
    let number = *seq;
    let mut push = |body| {
        *seq += 1;
        JournalEntry { seq: *seq - 1, turn: number, at, body }
    };
    let mut entries = vec![push(EntryBody::Variables)];
    let name = NAMES[below(2)];
    let wait = operation(number, OperationKind::Signal, name, 0);
    if below(2) == 0 {
        entries.push(push(EntryBody::Made(wait.clone(), Made::Signal { until: None })));
    }
    let take = (below(3) > 0).then(|| {
        let entry = push(EntryBody::Variables);
        Take { name: name.try_into().unwrap(), seq: entry.seq, turn: number, at, operation: wait, until: None }
    });
    let mut children = Vec::new();
    if task.depth < 3 && open.len() < 4 {
        for child in 0..u32::try_from(below(3)).unwrap() {
            let operation = OperationId {
                key: Fingerprint::from_bytes([7; 32]).into(),
                ..operation(number, OperationKind::Call, "f", child)
            };
            let id = TaskId::child(claim.task, generation, &operation, None);
            children.push(NewChild { id, operation, index: None, task: self::task(), born: None });
            open.push(id);
        }
    }
    let mut cancels = Vec::new();
    if !open.is_empty() && below(4) == 0 {
        let child = open.swap_remove(below(open.len()));
        cancels.push(Abandoned { turn: number, children: AbandonedChildren::Child(child) });
    }
    let counters = if below(2) == 0 { ["n", "m"] } else { ["m", "n"] };
    let variables = counters.map(|name| VariableChange::Add(name.try_into().unwrap(), 1)).to_vec();
    TurnWrite { claim, generation, entries, children, dispatches: Vec::new(), cancels, variables, take }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_or_stuck_when_all_happens_at_once() {
    let schema = Schema::new();
    let client = schema.client().await;
    let deadlocks = async || {
        let row =
            client.query_one("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()", &[]).await;
        row.unwrap().get::<_, i64>(0)
    };
    let before = deadlocks().await;
    let world = Arc::new(World {
        backend: schema.options().pool(16).open().await.unwrap(),
        executions: Mutex::default(),
        counted: Mutex::default(),
        given: Mutex::default(),
        children: Mutex::default(),
        values: AtomicU64::new(0),
        stored: AtomicI64::new(0),
        overwrote: AtomicI64::new(0),
        suspended: AtomicU64::new(0),
        left: AtomicI64::new(ROUNDS),
    });
    world.dispatch().await;
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let world = Arc::clone(&world);
        all.spawn(async move { world.work().await });
    }
    for _ in 0..2 {
        let world = Arc::clone(&world);
        all.spawn(async move { world.send().await });
    }
    while let Some(done) = all.join_next().await {
        done.unwrap();
    }
    assert_eq!(deadlocks().await, before, "nothing deadlocks");
    let mut counted = 0;
    for (execution, expected) in world.counted.lock().await.iter() {
        let variables = world.backend.read(*execution).await.unwrap();
        let sum: i64 = variables.counters.values().sum();
        assert_eq!(sum, *expected, "changes are applied once");
        counted += sum;
    }
    let left =
        client.query_one("SELECT count(*) FROM signals WHERE value IS NOT NULL", &[]).await.unwrap().get::<_, i64>(0);
    let given = i64::try_from(world.given.lock().await.len()).unwrap();
    let (stored, overwrote) = (world.stored.load(Ordering::Relaxed), world.overwrote.load(Ordering::Relaxed));
    assert_eq!(stored, overwrote + given + left, "each value is overwritten, given or still there");
    let late = "SELECT count(*) FROM tasks AS t JOIN waits AS w ON w.task = t.id JOIN signals AS s ON s.execution = t.execution AND s.name = w.signal
                WHERE t.state = 'suspended' AND s.value IS NOT NULL";
    assert_eq!(client.query_one(late, &[]).await.unwrap().get::<_, i64>(0), 0, "a value wakes who waits for it");
    let children = world.children.lock().await;
    for (task, awaited) in children.iter() {
        let ids: Vec<_> = awaited.iter().map(|child| *child.as_uuid()).collect();
        let late =
            "SELECT count(*) FROM tasks AS t JOIN tasks AS c ON c.parent = t.id AND c.made_generation = t.generation
                    WHERE t.id = $1 AND t.state = 'suspended' AND c.id = ANY ($2) AND c.ended_at IS NOT NULL";
        let late = client.query_one(late, &[task.as_uuid(), &ids]).await.unwrap().get::<_, i64>(0);
        assert_eq!(late, 0, "a child's end wakes its parent");
    }
    let orphans = "SELECT count(*) FROM tasks AS t JOIN tasks AS p ON p.id = t.parent WHERE t.ended_at IS NULL AND p.ended_at IS NOT NULL";
    assert_eq!(
        client.query_one(orphans, &[]).await.unwrap().get::<_, i64>(0),
        0,
        "nothing is open below what has ended"
    );
    // Otherwise it has shown nothing.
    assert!(world.suspended.load(Ordering::Relaxed) > 0 && counted > 0 && overwrote > 0 && given > 0);
    world.backend.close().await;
}
