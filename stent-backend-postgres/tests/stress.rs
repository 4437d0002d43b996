//! Ends, turns, suspensions, sends, takes, claims and cancels of a few small trees of tasks, by sixteen connections: in no snapshot sleeps a task whose wait is
//! over, or is a task open below one that has ended, and nothing deadlocks.
//!
//! Left to run longer by `STENT_STRESS_SECONDS`. Without the lock that an end takes on its parent, or with the rows of a batch locked in any other order
//! than that of depths, it fails within seconds.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by failing")]

#[path = "server/client.rs"]
mod client;
mod server;
#[path = "server/statistics.rs"]
mod statistics;
#[path = "server/work.rs"]
mod work;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use stent_backend_postgres::PostgresBackend;
use stent_core::backend::{Claims, Completion, Dispatch, Journal, Outcomes, Signals};
use stent_core::claim::Claim;
use stent_core::commit::{Commit, Sent, Suspended, TurnCommit};
use stent_core::execution::NewExecution;
use stent_core::journal::{Abandoned, AbandonedChildren, EntryBody, JournalEntry, Made, Take, TurnWrite};
use stent_core::operation::{OperationId, OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::signal::SignalSend;
use stent_core::task::{End, NewChild, Suspension, TaskEnd, Wait};
use stent_core::{ExecutionId, Payload, SignalId, TaskId};
use tokio_postgres::Client;

use server::Schema;
use statistics::left_alone;
use work::{below, now, request, task};

const CONNECTIONS: usize = 16;
const TREES: usize = 1;
/// The depth of the tasks that make no children.
const LEAVES: u32 = 3;
/// With as many open children a task makes no more.
const CHILDREN: usize = 5;
const NAMES: [&str; 2] = ["a", "b"];

/// What is known of a task that is not over. Whoever does something with it takes it out meanwhile: a task has one holder.
struct Held {
    claim: Claim,
    depth: u32,
    execution: ExecutionId,
    /// The next entry, and the next turn.
    seq: u32,
    /// Children whose outcomes were not given yet.
    open: Vec<(TaskId, OperationId)>,
}

#[derive(Default)]
struct Done {
    ended: AtomicU64,
    suspended: AtomicU64,
    awake: AtomicU64,
    taken: AtomicU64,
    sent: AtomicU64,
    cancelled: AtomicU64,
}

struct World {
    backend: PostgresBackend,
    end: Instant,
    roots: Mutex<Vec<ExecutionId>>,
    /// In the hands of workers.
    held: Mutex<Vec<Held>>,
    /// Asleep, or awake and not claimed yet.
    resting: Mutex<HashMap<TaskId, Held>>,
    done: Done,
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap()
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn operation(turn: u32, kind: OperationKind, name: &str, number: u32) -> OperationId {
    OperationId { turn, kind, name: name.into(), key: OperationKey::none(), number }
}

impl Held {
    /// A turn that writes nothing yet.
    fn turn(&self) -> TurnWrite {
        TurnWrite {
            claim: self.claim,
            generation: 0,
            entries: Vec::new(),
            children: Vec::new(),
            dispatches: Vec::new(),
            cancels: Vec::new(),
            variables: Vec::new(),
            take: None,
        }
    }

    fn entry(&mut self, body: EntryBody) -> JournalEntry {
        self.seq += 1;
        JournalEntry { seq: self.seq - 1, turn: self.seq - 1, at: now(), body }
    }

    fn child(&mut self, turn: u32, number: u32) -> NewChild {
        let operation = operation(turn, OperationKind::Call, "f", number);
        let id = TaskId::child(self.claim.task, 0, &operation, None);
        self.open.push((id, operation.clone()));
        NewChild { id, operation, index: None, task: task(), born: None }
    }
}

impl World {
    /// Each of the deeds answers with none if there is no task for it.
    async fn work(&self) {
        while Instant::now() < self.end {
            let found = match below(200) {
                0..50 => self.complete().await,
                50..100 => self.go_on().await,
                100..150 => self.suspend().await,
                150..155 => self.wait().await,
                155..165 => self.take().await,
                165..170 => self.send().await,
                170..173 => self.cancel(below(TREES)).await,
                _ => None,
            };
            if found.is_none() {
                self.claim().await;
            }
        }
    }

    /// Takes some task out of those that are held and fit, if there is one.
    fn any(&self, fits: impl Fn(&Held) -> bool) -> Option<Held> {
        let mut held = lock(&self.held);
        let fitting: Vec<usize> = (0..held.len()).filter(|place| fits(&held[*place])).collect();
        if fitting.is_empty() { None } else { Some(held.swap_remove(fitting[below(fitting.len())])) }
    }

    fn keep(&self, held: Held) -> Option<()> {
        lock(&self.held).push(held);
        Some(())
    }

    /// Tasks of all depths in one batch; those with open children are ends of trees.
    async fn complete(&self) -> Option<()> {
        let ends_tree = below(4) == 0;
        let fits = |held: &Held| held.depth > 0 && (ends_tree || held.open.is_empty());
        let batch: Vec<Held> = (0..6).map_while(|_| self.any(fits)).collect();
        batch.first()?;
        let end = || End::Completed { output: Payload::default(), variables: Vec::new(), notes: Vec::new() };
        let ends: Vec<_> = batch.iter().map(|held| TaskEnd { claim: held.claim, end: end() }).collect();
        for commit in self.backend.complete(now(), &ends).await.unwrap() {
            if commit == Commit::Applied {
                count(&self.done.ended);
            }
        }
        Some(())
    }

    /// Writes a turn; the task is gone if its claim is.
    async fn write(&self, held: Held, turn: TurnWrite) -> Option<(Held, Option<OperationOutcome>)> {
        match self.backend.write(now(), &[turn]).await.unwrap().remove(0) {
            TurnCommit::Applied { taken } => Some((held, taken)),
            TurnCommit::ClaimLost => None,
        }
    }

    /// A turn that gives the outcomes that there are.
    async fn give(&self, held: &mut Held) -> TurnWrite {
        let open: Vec<_> = held.open.iter().map(|(child, _)| *child).collect();
        let outcomes = self.backend.tasks(&open).await.unwrap();
        let mut turn = held.turn();
        for ((child, operation), outcome) in std::mem::take(&mut held.open).into_iter().zip(outcomes) {
            if outcome.is_some() {
                turn.entries.push(held.entry(EntryBody::Order(operation)));
            } else {
                held.open.push((child, operation));
            }
        }
        turn.entries.push(held.entry(EntryBody::Variables));
        turn
    }

    /// Makes some children, unless there are many, and now and then abandons one.
    async fn go_on(&self) -> Option<()> {
        let mut held = self.any(|held| held.depth < LEAVES)?;
        let mut turn = self.give(&mut held).await;
        if !held.open.is_empty() && below(4) == 0 {
            let (child, operation) = held.open.swap_remove(below(held.open.len()));
            // Whatever becomes of it, nobody waits for it.
            turn.entries.push(held.entry(EntryBody::Order(operation)));
            turn.cancels.push(Abandoned { turn: held.seq, children: AbandonedChildren::Child(child) });
        }
        let wanted = if held.open.len() < CHILDREN { below(CHILDREN) } else { 0 };
        let opened = held.seq;
        for number in 0..u32::try_from(wanted).unwrap() {
            turn.children.push(held.child(opened, number));
        }
        let (held, _) = self.write(held, turn).await?;
        self.keep(held)
    }

    async fn wait(&self) -> Option<()> {
        let mut held = self.any(|held| held.depth < LEAVES)?;
        let wait = operation(held.seq, OperationKind::Signal, NAMES[below(2)], 0);
        let mut turn = held.turn();
        turn.entries.push(held.entry(EntryBody::Made(wait, Made::Signal { until: None })));
        let (held, _) = self.write(held, turn).await?;
        self.keep(held)
    }

    async fn take(&self) -> Option<()> {
        let mut held = self.any(|held| held.depth < LEAVES)?;
        let name = NAMES[below(2)];
        let wait = operation(held.seq, OperationKind::Signal, name, 0);
        let mut turn = held.turn();
        turn.entries.push(held.entry(EntryBody::Variables));
        let place = held.entry(EntryBody::Variables);
        turn.take = Some(Take {
            name: name.try_into().unwrap(),
            seq: place.seq,
            turn: place.turn,
            at: place.at,
            operation: wait,
            until: None,
        });
        let (held, taken) = self.write(held, turn).await?;
        if taken.is_some() {
            count(&self.done.taken);
        }
        self.keep(held)
    }

    async fn send(&self) -> Option<()> {
        let execution = lock(&self.roots)[below(TREES)];
        let name = NAMES[below(2)].try_into().unwrap();
        let send = SignalSend { id: SignalId::random(), execution, name, value: Payload::from(&b"v"[..]) };
        if let Sent::Stored { .. } = self.backend.send(now(), &send).await.unwrap() {
            count(&self.done.sent);
        }
        Some(())
    }

    /// Gives what there is, and then waits for all open children, and for a signal if there are none, and now and then besides.
    async fn suspend(&self) -> Option<()> {
        let mut held = self.any(|held| held.depth < LEAVES && held.seq > 0)?;
        let turn = self.give(&mut held).await;
        let (held, _) = self.write(held, turn).await?;
        let mut waits: Vec<_> = held.open.iter().map(|(child, _)| Wait::Child(*child)).collect();
        if waits.is_empty() || below(4) == 0 {
            waits.push(Wait::Signal(NAMES[below(2)].try_into().unwrap()));
        }
        let (task, suspension) = (held.claim.task, Suspension { claim: held.claim, until: None, waits });
        // It may be awake and claimed again before this hears that it sleeps.
        lock(&self.resting).insert(task, held);
        let answer = self.backend.suspend(now(), &[suspension]).await.unwrap()[0];
        if answer == Suspended::Yes {
            count(&self.done.suspended);
            return Some(());
        }
        let held = lock(&self.resting).remove(&task);
        if let (Suspended::Awake, Some(held)) = (answer, held) {
            count(&self.done.awake);
            self.keep(held);
        }
        Some(())
    }

    async fn claim(&self) {
        for task in self.backend.claim(now(), &request(5)).await.unwrap().tasks {
            let known = lock(&self.resting).remove(&task.claim.task);
            let (claim, depth, execution) = (task.claim, task.depth, task.execution);
            let new = Held { claim, depth, execution, seq: 0, open: Vec::new() };
            self.keep(known.map_or(new, |known| Held { claim, ..known }));
        }
    }

    /// Cancels one tree, which another replaces.
    async fn cancel(&self, place: usize) -> Option<()> {
        let id = ExecutionId::new(now());
        let new = NewExecution { id, task: task(), max_duration: None, dedup: None, born: None };
        let _ = self.backend.dispatch(now(), &[new]).await.unwrap();
        let before = std::mem::replace(&mut lock(&self.roots)[place], id);
        let _ = self.backend.cancel(now(), before).await.unwrap();
        count(&self.done.cancelled);
        lock(&self.held).retain(|held| held.execution != before);
        lock(&self.resting).retain(|_, held| held.execution != before);
        Some(())
    }
}

/// In one snapshot: tasks that sleep though a child has ended whose outcome was not given, or a value lies in a slot that they wait for; and open tasks
/// whose parent or execution has ended.
const CHECK: &str = "
    SELECT (SELECT count(*)
            FROM tasks AS t
            WHERE t.state = 'suspended'
                AND (EXISTS (SELECT FROM tasks AS c
                             WHERE c.parent = t.id AND c.ended_at IS NOT NULL
                                 AND NOT EXISTS (SELECT FROM journal AS j
                                                 WHERE j.task = t.id AND j.kind = 'order'
                                                     AND j.op_turn = c.made_turn AND j.op_number = c.made_number))
                     OR EXISTS (SELECT FROM waits AS w JOIN signals AS s ON s.execution = w.execution AND s.name = w.signal
                                WHERE w.task = t.id AND s.value IS NOT NULL))) AS late,
           (SELECT count(*)
            FROM tasks AS t
            JOIN tasks AS p ON p.id = t.parent
            JOIN tasks AS r ON r.id = t.execution
            WHERE t.ended_at IS NULL AND (p.ended_at IS NOT NULL OR r.ended_at IS NOT NULL)) AS orphans";

async fn check(client: &Client) {
    let row = client.query_one(CHECK, &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>("late"), 0, "nobody sleeps on when a wait is over");
    assert_eq!(row.get::<_, i64>("orphans"), 0, "nothing is open below what has ended");
}

async fn deadlocks(client: &Client) -> i64 {
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    client.query_one(deadlocks, &[]).await.unwrap().get(0)
}

/// C-Q5, C-X1, C-Y6, C-S2.
#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_shows_a_lost_wake_up_or_an_orphan_and_nothing_deadlocks() {
    let seconds =
        std::env::var("STENT_STRESS_SECONDS").map_or(5, |seconds| seconds.parse().expect("a number of seconds"));
    let schema = Schema::new();
    let client = schema.client().await;
    let before = deadlocks(&client).await;
    let world = Arc::new(World {
        backend: schema.options().pool(CONNECTIONS).open().await.unwrap(),
        end: Instant::now() + Duration::from_secs(seconds),
        roots: Mutex::new((0..TREES).map(|_| ExecutionId::new(now())).collect()),
        held: Mutex::default(),
        resting: Mutex::default(),
        done: Done::default(),
    });
    for place in 0..TREES {
        world.cancel(place).await;
    }
    let mut workers = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let world = Arc::clone(&world);
        workers.spawn(async move { world.work().await });
    }
    let mut samples = 0_u64;
    while !workers.is_empty() {
        check(&client).await;
        samples += 1;
        while let Some(done) = workers.try_join_next() {
            done.unwrap();
        }
    }
    check(&client).await;
    // What its connections have met is counted once they are gone.
    world.backend.close().await;
    left_alone(&schema, &client).await;
    assert_eq!(deadlocks(&client).await, before, "nothing deadlocks");
    let done = &world.done;
    let figures = [&done.ended, &done.suspended, &done.awake, &done.taken, &done.sent, &done.cancelled];
    let [ended, suspended, awake, taken, sent, cancelled] = figures.map(|figure| figure.load(Ordering::Relaxed));
    println!(
        "{samples} samples; {ended} ended, {suspended} suspended, {awake} stayed awake, {taken} of {sent} values taken, {cancelled} cancelled"
    );
    assert!(
        [ended, suspended, awake, taken, sent, cancelled].iter().all(|figure| *figure > 0),
        "it has shown something"
    );
}
