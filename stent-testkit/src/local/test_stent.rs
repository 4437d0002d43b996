//! A program in a test: its client, and the clock.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::de::DeserializeOwned;
use stent_core::backend::{Dispatch, ExecutionFilter, Inspect, Memos, Page};
use stent_core::commit::Dispatched;
use stent_core::execution::ExecutionState;
use stent_core::time::IntoDuration;
use stent_core::{Clock, ExecutionId, Timestamp};
use stent_executor::{Call, DurableFunction, Execution, Explanation, Stent, StentError};
use tokio::sync::RwLock;

use super::builder::{ForWorker, TestStentBuilder, settings};
use super::clock::EventClock;
use super::drive::{Goal, Halt};
use super::error::TestError;
use super::process::{Process, Setup};
use crate::memory::MemoryBackend;

/// Executions that an error explains, if no one in particular is waited for.
const EXPLAINED: u32 = 5;

/// A program in a test: a store in memory, a client, a worker, and a clock that skips time. Clones are the same program.
///
/// The worker runs on a thread of its own, and only while something here is awaited: [`settle`](Self::settle), [`skip`](Self::skip),
/// [`until`](Self::until), a [result](TestExecution::result). So a test does the same thing each time: what it does between two of them, like two dispatches, the
/// worker sees at once, ids of executions count up, and time moves only where it is said to.
#[derive(Clone)]
pub struct TestStent(Arc<Inner>);

struct Inner {
    client: Stent,
    program: Stent,
    worker: ForWorker,
    backend: MemoryBackend,
    clock: EventClock,
    patience: Duration,
    started_at: Timestamp,
    dispatched: AtomicU64,
    process: RwLock<Process>,
}

impl TestStent {
    /// Begins to build one.
    pub fn builder() -> TestStentBuilder {
        TestStentBuilder::default()
    }

    pub(super) async fn start(
        client: Stent,
        program: Stent,
        worker: ForWorker,
        backend: MemoryBackend,
        clock: EventClock,
        patience: Duration,
    ) -> Result<Self, TestError> {
        let setup = setup(&program, &worker, &backend, &clock, patience);
        let process = RwLock::new(Process::start(setup).await?);
        let (started_at, dispatched) = (clock.now(), AtomicU64::new(0));
        let inner = Inner { client, program, worker, backend, clock, patience, started_at, dispatched, process };
        Ok(Self(Arc::new(inner)))
    }

    /// The client, for all that a program does with one. What is awaited there does not let the worker run; [`execution`](Self::execution) makes an execution whose
    /// result does.
    #[must_use]
    pub fn stent(&self) -> &Stent {
        &self.0.client
    }

    /// The value that functions get by this type, if there is one: a fake that tells what was done with it.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.0.program.resource()
    }

    /// What the clock shows.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// How far the clock has come since the test began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now().since(self.0.started_at)
    }

    /// Dispatches a call, as [`Stent::dispatch`] does, under an id that is the same in every run of the test, as far as the clock is.
    ///
    /// # Errors
    /// [`TestError::Stent`].
    pub async fn dispatch<F: DurableFunction>(&self, call: Call<F>) -> Result<TestExecution<F::Output>, TestError> {
        let (backend, now) = (&self.0.backend, self.now());
        let mut new = self.0.client.prepare(call)?;
        new.id = self.next_id();
        if let Some(memo) = new.task.memo {
            new.born = backend.recall(now, &[memo.key]).await?.pop().flatten();
        }
        match backend.dispatch(now, std::slice::from_ref(&new)).await?.first() {
            Some(Dispatched::Existing(existing)) => Ok(self.execution(*existing)),
            Some(Dispatched::Conflict(existing)) => Err(StentError::KeyConflict { existing: *existing }.into()),
            _ => Ok(self.execution(new.id)),
        }
    }

    /// The execution of this id, whose function returns a `T`: one that a function has dispatched, say.
    #[must_use]
    pub fn execution<T>(&self, id: ExecutionId) -> TestExecution<T> {
        TestExecution { test: self.clone(), execution: self.0.client.execution(id) }
    }

    /// Lets everything run that can without the clock being moved, steps that wait for real things included.
    ///
    /// # Errors
    /// [`TestError::Restless`], [`TestError::Nondeterminism`].
    pub async fn settle(&self) -> Result<(), TestError> {
        self.reach(Goal::Rest).await
    }

    /// Moves the clock on by this time, from one event to the next, and lets everything run at each that can. While code runs, steps that wait for real things
    /// included, the clock stands still.
    ///
    /// # Errors
    /// [`TestError::Duration`], [`TestError::Restless`], [`TestError::Nondeterminism`].
    pub async fn skip(&self, time: impl IntoDuration) -> Result<(), TestError> {
        let time = time.into_duration().map_err(TestError::Duration)?;
        self.reach(Goal::Time(self.now().after(time))).await
    }

    /// Lets everything run that can without the clock being moved, until this is ready: a fake that was called, say. What is under way then stays so.
    ///
    /// # Errors
    /// [`TestError::Restless`] if it was not ready in time, [`TestError::Nondeterminism`].
    pub async fn until<T>(&self, event: impl Future<Output = T>) -> Result<T, TestError> {
        tokio::select! {
            biased;
            value = event => Ok(value),
            // Never reached; it ends with an error, or when this is dropped.
            halted = self.reach(Goal::Stopped) => Err(halted.err().unwrap_or(TestError::Gone)),
        }
    }

    /// Kills the worker without any goodbye, wherever its code is, and starts another, which takes over at once (C-Q6). What was recorded is kept, and all else
    /// runs again by the rules for lost workers (C-Y4).
    ///
    /// # Errors
    /// [`TestError::Stent`], [`TestError::Thread`].
    pub async fn crash(&self) -> Result<(), TestError> {
        let Inner { program, worker, backend, clock, patience, .. } = &*self.0;
        let mut process = self.0.process.write().await;
        process.kill().await;
        *process = Process::start(setup(program, worker, backend, clock, *patience)).await?;
        Ok(())
    }

    async fn reach(&self, goal: Goal) -> Result<(), TestError> {
        let from = self.now();
        loop {
            // Not held meanwhile: a crash needs no leave.
            let process = self.0.process.read().await.clone();
            let halt = match process.reach(goal).await {
                Some(Ok(())) => return Ok(()),
                // Another worker takes over.
                Some(Err(Halt::Killed)) => continue,
                Some(Err(halt)) => halt,
                None => return Err(TestError::Gone),
            };
            return Err(self.explain(goal, from, halt).await?);
        }
    }

    async fn explain(&self, goal: Goal, from: Timestamp, halt: Halt) -> Result<TestError, TestError> {
        Ok(match (halt, goal) {
            (Halt::Stuck, Goal::End(execution)) => {
                TestError::Stuck { execution, why: self.0.client.why(execution).await? }
            }
            (Halt::Diverged(task), _) => {
                TestError::Nondeterminism { function: task.function, difference: task.reason.unwrap_or_default() }
            }
            (Halt::Trouble(error), _) => error.into(),
            (Halt::Restless | Halt::Stuck | Halt::Killed, _) => {
                let (patience, to, why) = (self.0.patience, self.now(), self.open(goal).await?);
                TestError::Restless { patience, from, to, why }
            }
        })
    }

    /// Where the open tasks are: of the execution that is waited for, or of some.
    async fn open(&self, goal: Goal) -> Result<Vec<Explanation>, TestError> {
        if let Goal::End(execution) = goal {
            return Ok(self.0.client.why(execution).await?);
        }
        let states = ExecutionState::ALL.into_iter().filter(|state| !state.is_final()).collect();
        let filter = ExecutionFilter { states, ..ExecutionFilter::default() };
        let mut why = Vec::new();
        for execution in self.0.backend.list_executions(&filter, Page::first(EXPLAINED)).await? {
            why.extend(self.0.client.why(execution.id).await?);
        }
        Ok(why)
    }

    /// An id that sorts after those before, also within a millisecond, and is the same in every run.
    fn next_id(&self) -> ExecutionId {
        let millis = u64::try_from(self.now().as_micros()).unwrap_or(0) / 1_000;
        let mut count = [0; 10];
        count[2..].copy_from_slice(&self.0.dispatched.fetch_add(1, Ordering::SeqCst).to_be_bytes());
        ExecutionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &count).into_uuid())
    }
}

fn setup(
    program: &Stent,
    worker: &ForWorker,
    backend: &MemoryBackend,
    clock: &EventClock,
    patience: Duration,
) -> Setup {
    let worker = worker(settings(program.worker()));
    Setup { worker, backend: backend.clone(), clock: clock.clone(), patience }
}

impl fmt::Debug for TestStent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestStent").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// An [`Execution`] in a test, with a result that skips the time it takes. Cheap to clone.
pub struct TestExecution<T> {
    test: TestStent,
    execution: Execution<T>,
}

impl<T: DeserializeOwned> TestExecution<T> {
    /// Lets everything run that can, and moves the clock from one event to the next, until the execution has ended; gives its result.
    ///
    /// # Errors
    /// [`TestError::Execution`] if it did not end well. [`TestError::Stuck`] if it can never end, as it waits for what only the test could send;
    /// [`TestError::Nondeterminism`]; [`TestError::Restless`].
    pub async fn result(&self) -> Result<T, TestError> {
        self.test.reach(Goal::End(self.execution.id())).await?;
        Ok(self.execution.result().await?)
    }
}

impl<T> Deref for TestExecution<T> {
    type Target = Execution<T>;

    fn deref(&self) -> &Execution<T> {
        &self.execution
    }
}

impl<T> Clone for TestExecution<T> {
    fn clone(&self) -> Self {
        Self { test: self.test.clone(), execution: self.execution.clone() }
    }
}

impl<T> fmt::Debug for TestExecution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TestExecution").field(&self.execution.id()).finish()
    }
}
