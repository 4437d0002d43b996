//! What a test's program consists of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stent_core::time::IntoDuration;
use stent_core::{Clock, Timestamp, limits};
use stent_executor::{Call, DurableFunction, Registration, Stent, StentBuilder, WorkerBuilder};

use super::clock::EventClock;
use super::error::TestError;
use super::test_stent::TestStent;
use crate::clock::ManualClock;
use crate::memory::MemoryBackend;

/// Tasks whose code runs at once. The same on every machine, so that tests are.
const CONCURRENCY: usize = 100;
/// How often a task that waits comes back by replay. More would show little more of its code, and cost the square of it.
const REPLAYS: u32 = 64;
/// How long a goal may take in real time.
const PATIENCE: Duration = Duration::from_secs(60);

type ForStent = Box<dyn Fn(StentBuilder) -> StentBuilder + Send + Sync>;
type WithResource = Box<dyn FnOnce(StentBuilder) -> StentBuilder + Send>;
pub(super) type ForWorker = Arc<dyn Fn(WorkerBuilder) -> WorkerBuilder + Send + Sync>;

/// A test's program being built: functions, what they get as resources, and where the clock begins.
#[must_use = "nothing runs before `start` or `run`"]
pub struct TestStentBuilder {
    functions: Vec<Registration>,
    resources: Vec<WithResource>,
    stent: Vec<ForStent>,
    worker: ForWorker,
    starts_at: Timestamp,
    patience: Duration,
    invalid: Option<TestError>,
}

impl Default for TestStentBuilder {
    fn default() -> Self {
        Self {
            functions: Vec::new(),
            resources: Vec::new(),
            stent: Vec::new(),
            worker: Arc::new(|worker| worker),
            starts_at: ManualClock::default().now(),
            patience: PATIENCE,
            invalid: None,
        }
    }
}

impl TestStentBuilder {
    /// Registers functions: `functions![charge, fulfil]`. May be called more than once.
    pub fn functions(mut self, functions: impl IntoIterator<Item = Registration>) -> Self {
        self.functions.extend(functions);
        self
    }

    /// Adds a value that functions get by its type, `ctx.resource::<Gateway>()`: the place of fakes. It outlives a [crash](TestStent::crash), as the world outside
    /// of a program does.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.push(Box::new(move |stent| stent.resource(value)));
        self
    }

    /// Changes the program in any other way that its own builder knows: `.stent(|stent| stent.codec(Sealed))`. Done for the worker and for the client.
    pub fn stent(mut self, change: impl Fn(StentBuilder) -> StentBuilder + Send + Sync + 'static) -> Self {
        self.stent.push(Box::new(change));
        self
    }

    /// Changes the worker in any way that its own builder knows: `.worker(|worker| worker.concurrency(1))`. Done for each worker, after a
    /// [crash](TestStent::crash) too.
    ///
    /// Without it, 100 tasks run at once, on every machine; a task that waits leaves memory at once and comes back by replay, 64 times, so that a test finds code that
    /// is not deterministic (C-R4); and code that awaits something outside of its context after its first operation fails (C-R8).
    pub fn worker(mut self, change: impl Fn(WorkerBuilder) -> WorkerBuilder + Send + Sync + 'static) -> Self {
        let before = self.worker;
        self.worker = Arc::new(move |worker| change(before(worker)));
        self
    }

    /// Where the clock begins; by default on 2030-01-01.
    pub fn starts_at(mut self, time: Timestamp) -> Self {
        self.starts_at = time;
        self
    }

    /// How long anything that a test waits for may take in real time, before it is an error that says what still runs; 60 s by default.
    pub fn patience(mut self, patience: impl IntoDuration) -> Self {
        match patience.into_duration() {
            Ok(patience) => self.patience = patience,
            Err(error) => {
                self.invalid.get_or_insert(TestError::Duration(error));
            }
        }
        self
    }

    /// Starts a store in memory, a worker and the clock.
    ///
    /// # Errors
    /// [`TestError::Stent`], [`TestError::Duration`], [`TestError::Thread`].
    pub async fn start(self) -> Result<TestStent, TestError> {
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        let (backend, clock) = (MemoryBackend::new(), EventClock::new(self.starts_at));
        let begin = || {
            let stent = Stent::builder(backend.clone()).functions(self.functions.iter().cloned());
            self.stent.iter().fold(stent, |stent, change| change(stent)).clock(Arc::new(clock.clone()))
        };
        let client = begin().build().await?;
        // A program of its own, as that of another process: what it awaits in the background, it awaits on its own thread.
        let resources = self.resources;
        let worker = resources.into_iter().fold(begin(), |stent, add| add(stent)).build().await?;
        TestStent::start(client, worker, self.worker, backend, clock, self.patience).await
    }

    /// Runs a call to its end, its function registered too, and gives its result.
    ///
    /// # Errors
    /// As [`start`](Self::start) and [`TestExecution::result`](super::TestExecution::result).
    pub async fn run<F: DurableFunction>(mut self, call: Call<F>) -> Result<F::Output, TestError> {
        self.functions.push(Registration::of::<F>());
        let test = self.start().await?;
        test.dispatch(call).await?.result().await
    }
}

/// What every worker of a test begins with: nothing is left to polls, leases and retention, which a clock that skips time passes by.
pub(super) fn settings(worker: WorkerBuilder) -> WorkerBuilder {
    worker
        .concurrency(CONCURRENCY)
        .lease(limits::DURATION)
        .poll(limits::DURATION)
        .retention(None::<Duration>)
        .suspend_after(limits::DURATION)
        .early_replays(REPLAYS)
        .strict(true)
}

impl fmt::Debug for TestStentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStentBuilder").field("functions", &self.functions).finish_non_exhaustive()
    }
}
