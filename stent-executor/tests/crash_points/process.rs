//! Stores, processes, and what their functions did.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stent_backend_sqlite::{SqliteOptions, Synchronous};
use stent_core::backend::{Page, TaskFilter};
use stent_core::task::TaskRecord;
use stent_core::{Backend, ExecutionId};
use stent_executor::prelude::*;
use stent_executor::{DurableFunction, Registration, Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use stent_testkit::memory::{MemoryBackend, MemoryStore};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long a claim holds.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// What has run: per name how often, and whether anything ran that was recorded.
#[derive(Default)]
pub(crate) struct Effects(pub(crate) Mutex<Counts>);

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) started: BTreeMap<String, u32>,
    pub(crate) repeated: BTreeSet<String>,
}

impl Effects {
    pub(crate) fn of(&self, name: &str) -> u32 {
        self.0.lock().unwrap().started.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn begin(&self, name: &str, is_recorded: bool) {
        let mut counts = self.0.lock().unwrap();
        *counts.started.entry(name.to_owned()).or_default() += 1;
        if is_recorded {
            counts.repeated.insert(name.to_owned());
        }
    }
}

/// A way to the store that no fault is in, to look up what is recorded while code starts.
pub(crate) struct Truth(pub(crate) Arc<dyn Backend>);

/// A store that outlives processes.
pub(crate) enum Place {
    Memory(MemoryStore),
    File(TempDir),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStore::new())
    }

    pub(crate) fn file() -> Self {
        Self::File(TempDir::new().unwrap())
    }

    pub(crate) async fn open(&self) -> Arc<dyn Backend> {
        match self {
            Self::Memory(store) => Arc::new(MemoryBackend::open(store)),
            // What a commit waits for matters to no crash of a process.
            Self::File(directory) => {
                let options = SqliteOptions::new(directory.path().join("stent.db")).synchronous(Synchronous::Normal);
                Arc::new(options.open().await.unwrap())
            }
        }
    }
}

/// One process: its runtime, its client, its way to the store.
pub(crate) struct Process {
    pub(crate) runtime: Runtime,
    pub(crate) stent: Stent,
    pub(crate) truth: Arc<dyn Backend>,
    pub(crate) plan: FaultPlan,
    pub(crate) worker: Option<Worker>,
}

impl Process {
    /// A process without a worker.
    pub(crate) fn open(
        place: &Place,
        clock: &ManualClock,
        effects: &Arc<Effects>,
        functions: Vec<Registration>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let plan = FaultPlan::none();
        let (stent, truth) = runtime.block_on(async {
            let truth = place.open().await;
            let stent = Stent::builder(FaultyBackend::new(Arc::clone(&truth), plan.clone()))
                .clock(Arc::new(clock.clone()))
                .functions(functions)
                .resource(Arc::clone(effects))
                .resource(Truth(Arc::clone(&truth)))
                .build();
            (stent.await.unwrap(), truth)
        });
        Self { runtime, stent, truth, plan, worker: None }
    }

    pub(crate) fn work(self) -> Self {
        self.work_leaving(0)
    }

    /// Lets tasks work that leave memory so often while they wait.
    pub(crate) fn work_leaving(mut self, replays: u32) -> Self {
        let worker = self.stent.worker().concurrency(2).lease(LEASE).early_replays(replays);
        let start = async { worker.start().await };
        self.worker = Some(self.runtime.block_on(start).unwrap());
        self
    }

    pub(crate) fn result<T: serde::de::DeserializeOwned>(&self, id: ExecutionId) -> T {
        let execution = self.stent.execution::<T>(id);
        self.runtime.block_on(async { soon("the result", execution.result()).await.unwrap() })
    }

    /// Waits until something is seen in the store.
    pub(crate) fn sees(&self, what: &str, mut condition: impl FnMut(&[TaskRecord]) -> bool) {
        self.runtime.block_on(soon(what, async {
            while !condition(&self.tasks().await) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }));
    }

    pub(crate) async fn tasks(&self) -> Vec<TaskRecord> {
        self.truth.list_tasks(&TaskFilter::default(), Page::first(100)).await.unwrap()
    }

    /// Gone, with all that it was at.
    pub(crate) fn die(self) {
        let Self { runtime, worker, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop(worker);
    }

    pub(crate) fn drain(&self) {
        let worker = self.worker.as_ref().unwrap();
        self.runtime.block_on(soon("drained", worker.drain())).unwrap();
    }
}

pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

pub(crate) fn dispatch<F: DurableFunction>(process: &Process, call: Call<F>) -> ExecutionId {
    process.runtime.block_on(async { process.stent.dispatch(call).await.unwrap().id() })
}
