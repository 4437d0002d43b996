//! A store, a clock that is moved by hand, and handles on both: each like one of another process.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stent_backend_sqlite::{SqliteOptions, Synchronous};
use stent_core::backend::{DeadLetterFilter, Page, ProgressEntry, ProgressEvent, TaskFilter};
use stent_core::dead_letter::DeadLetter;
use stent_core::task::TaskRecord;
use stent_core::worker::WorkerState;
use stent_core::{Backend, Clock, ExecutionId, Timestamp};
use stent_executor::{Registration, Stent, StentBuilder, Worker, WorkerBuilder};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use stent_testkit::memory::{MemoryBackend, MemoryStore};
use tempfile::TempDir;

use crate::server::Schema;
use crate::{Gates, Ledger, Probe};

/// Real time that is long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rounds of the runtime without a new call of the store, after which nothing is about to happen.
const QUIET_ROUNDS: u32 = 100;
/// Real time in which whoever waits for the clock hears of a move, unless nobody polls the wait.
const HEARING: Duration = Duration::from_secs(2);
/// Real time in which the store answers, unless it was told to hang, or nobody polls the call.
const ANSWERING: Duration = Duration::from_secs(2);

/// What happens, or a test that says that it did not.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

enum Store {
    Memory(MemoryStore),
    Sqlite(TempDir),
    Postgres(Schema),
}

/// A store, a clock and a ledger. Made for the runtime of one thread that `#[tokio::test]` gives.
pub struct Bench {
    store: Store,
    /// Moved by the test alone.
    pub clock: ManualClock,
    /// Counts the calls of all handles, and lets them fail as it is told.
    pub plan: FaultPlan,
    /// What functions did; they have it as a resource.
    pub ledger: Ledger,
    /// Where functions wait for the test; they have them as a resource.
    pub gates: Gates,
}

impl Bench {
    /// An empty store in memory.
    #[must_use]
    pub fn memory() -> Self {
        Self::on(Store::Memory(MemoryBackend::new().store().clone()))
    }

    /// An empty SQLite file.
    #[must_use]
    pub fn sqlite() -> Self {
        Self::on(Store::Sqlite(tempfile::tempdir().unwrap()))
    }

    /// An empty schema on the PostgreSQL server that tests are lent.
    #[must_use]
    pub fn postgres() -> Self {
        Self::on(Store::Postgres(Schema::new()))
    }

    fn on(store: Store) -> Self {
        let (clock, plan) = (ManualClock::default(), FaultPlan::none());
        Self { store, clock, plan, ledger: Ledger::default(), gates: Gates::default() }
    }

    /// Another one of the same kind, with nothing in it yet.
    #[must_use]
    pub fn another(&self) -> Self {
        match &self.store {
            Store::Memory(_) => Self::memory(),
            Store::Sqlite(_) => Self::sqlite(),
            Store::Postgres(_) => Self::postgres(),
        }
    }

    /// A handle of its own on the store, like that of another process.
    pub async fn backend(&self) -> Arc<dyn Backend> {
        let inner: Arc<dyn Backend> = match &self.store {
            Store::Memory(store) => Arc::new(MemoryBackend::open(store)),
            // What a commit waits for matters to no crash of a process.
            Store::Sqlite(directory) => {
                let options = SqliteOptions::new(directory.path().join("stent.db"));
                Arc::new(options.synchronous(Synchronous::Normal).open().await.unwrap())
            }
            Store::Postgres(schema) => Arc::new(schema.options().open().await.unwrap()),
        };
        Arc::new(FaultyBackend::new(inner, self.plan.clone()))
    }

    /// The SQLite file, if the store is one.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        match &self.store {
            Store::Memory(_) | Store::Postgres(_) => None,
            Store::Sqlite(directory) => Some(directory.path().join("stent.db")),
        }
    }

    /// A look from the side at its database; what is in memory has none.
    pub async fn probe(&self) -> Probe {
        match &self.store {
            Store::Memory(_) => panic!("a store in memory can be seen from no side"),
            Store::Sqlite(directory) => Probe::sqlite(&directory.path().join("stent.db")).await,
            Store::Postgres(schema) => Probe::postgres(&schema.url, &schema.name).await,
        }
    }

    /// The beginnings of a program with these functions, the clock, the ledger and the gates.
    pub async fn program(&self, functions: Vec<Registration>) -> StentBuilder {
        self.program_on(self.backend().await, functions)
    }

    /// The same on a handle of the caller's making.
    pub(crate) fn program_on(&self, backend: Arc<dyn Backend>, functions: Vec<Registration>) -> StentBuilder {
        Stent::with_backend(backend)
            .functions(functions)
            .resource(self.ledger.clone())
            .resource(self.gates.clone())
            .clock(Arc::new(self.clock.clone()))
    }

    /// A program with these functions.
    pub async fn stent(&self, functions: Vec<Registration>) -> Stent {
        self.program(functions).await.build().await.unwrap()
    }

    /// A worker that is ready.
    pub async fn worker(&self, worker: WorkerBuilder) -> Worker {
        let worker = worker.start().await.unwrap();
        soon("the worker is ready", worker.wait_for(WorkerState::Ready)).await;
        worker
    }

    /// The time of the clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Waits until this is so, without time passing: for what other threads do, like heartbeats and SQLite's look at other writers.
    pub async fn sees(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        soon(what, async {
            while !is_so() {
                tokio::time::sleep(Duration::from_micros(100)).await;
            }
        })
        .await;
    }

    /// Waits until nothing happens any more without time passing: no call of the store is in flight, all who waited for the clock have heard of its last move,
    /// and the runtime's tasks have nothing to do.
    pub async fn settle(&self) {
        let began = Instant::now();
        soon("everything is at rest", async {
            let (mut calls, mut quiet, mut asked) = (self.plan.count(), 0, began);
            loop {
                tokio::task::yield_now().await;
                let is_hearing = self.clock.unheard() > 0 && began.elapsed() < HEARING;
                let is_answering = self.plan.in_flight() > 0 && asked.elapsed() < ANSWERING;
                if self.plan.count() != calls {
                    (calls, quiet, asked) = (self.plan.count(), 0, Instant::now());
                } else if is_answering || is_hearing {
                    // The store's own threads, and those of heartbeats, have to get on.
                    tokio::time::sleep(Duration::from_micros(100)).await;
                    quiet = 0;
                } else if quiet < QUIET_ROUNDS {
                    quiet += 1;
                } else {
                    return;
                }
            }
        })
        .await;
    }

    /// The tasks of an execution: the root, its children by when they were made, theirs, and so on.
    pub async fn tasks(&self, execution: ExecutionId) -> Vec<TaskRecord> {
        let filter = TaskFilter { execution: Some(execution), ..TaskFilter::default() };
        let mut tasks = self.backend().await.list_tasks(&filter, Page::first(1_000)).await.unwrap();
        tasks.sort_by_key(|task| (task.depth, task.created_at));
        tasks
    }

    /// All dead letters, the oldest first.
    pub async fn dead_letters(&self) -> Vec<DeadLetter> {
        let all = self.backend().await.list_dead_letters(&DeadLetterFilter::default(), Page::first(1_000)).await;
        let mut letters = all.unwrap();
        letters.sort_by_key(|letter| letter.at);
        letters
    }

    /// The notes of an execution's functions, in their order.
    pub async fn notes(&self, execution: ExecutionId) -> Vec<String> {
        let entries = self.backend().await.list_progress(execution, Page::first(1_000)).await.unwrap();
        let note = |entry: ProgressEntry| match entry.event {
            ProgressEvent::Note(note) => Some(note),
            ProgressEvent::Chunk { .. } => None,
        };
        entries.into_iter().filter_map(note).collect()
    }

    /// Lets time pass, from one thing that waits for it to the next.
    pub async fn pass(&self, time: Duration) {
        let end = self.now().after(time);
        loop {
            self.settle().await;
            let next = self.clock.next_wait().filter(|next| *next < end);
            let Some(next) = next else { break };
            self.clock.set(next.max(self.now()));
        }
        self.clock.set(end);
        self.settle().await;
    }

    /// Lets time pass in one leap. Leases of work that runs meanwhile are renewed late, and polls are missed.
    pub async fn leap(&self, time: Duration) {
        self.settle().await;
        self.clock.advance(time);
        self.settle().await;
    }

    /// Lets time pass until this has happened: at most a day.
    pub async fn until<T>(&self, what: &str, event: impl Future<Output = T>) -> T {
        let end = self.now().after(Duration::from_secs(24 * 60 * 60));
        let time = async {
            while self.now() < end {
                self.settle().await;
                match self.clock.next_wait() {
                    Some(next) => self.clock.set(next.max(self.now())),
                    None => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        soon(what, async {
            tokio::select! {
                biased;
                happened = event => happened,
                () = time => panic!("did not happen within a day: {what}"),
            }
        })
        .await
    }
}
