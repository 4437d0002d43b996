//! Processes that are run a little at a time, stand still, and die.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stent_core::Backend;
use stent_executor::{Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, FaultPlan, FaultyBackend, Moment};
use stent_testkit::memory::{MemoryBackend, MemoryStore};
use tokio::runtime::Runtime;

use crate::history::{History, Ledger};
use crate::job::functions;

/// How long a claim holds.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// How often a process's calls of the store fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) seed: u64,
    pub(crate) probability: f64,
}

impl Trouble {
    pub(crate) const NONE: Self = Self { seed: 0, probability: 0.0 };
}

/// One process: a runtime, a way to the store, and perhaps a worker.
pub(crate) struct Process {
    // Dropped before the runtime, so that it can say that it stops.
    worker: Option<Worker>,
    pub(crate) stent: Stent,
    pub(crate) plan: FaultPlan,
    runtime: Runtime,
    stands_still: bool,
}

impl Process {
    pub(crate) fn client(store: &MemoryStore, clock: &ManualClock, history: &History, trouble: Trouble) -> Self {
        // Time passes at once for whoever only spares the store: no outcome depends on how long that takes.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let plan = FaultPlan::none();
        let truth: Arc<dyn Backend> = Arc::new(MemoryBackend::open(store));
        let worker = Arc::default();
        let ledger = Ledger { truth: Arc::clone(&truth), history: history.clone(), worker: Arc::clone(&worker) };
        let stent = runtime.block_on(async {
            let builder = Stent::builder(FaultyBackend::new(truth, plan.clone()))
                .clock(Arc::new(clock.clone()))
                .functions(functions())
                .resource(worker)
                .resource(ledger);
            builder.build().await.unwrap()
        });
        let process = Self { worker: None, stent, plan, runtime, stands_still: false };
        process.meet(trouble);
        process
    }

    /// One that works, with as many waiting tasks in memory, and slots.
    pub(crate) fn worker(
        store: &MemoryStore,
        clock: &ManualClock,
        history: &History,
        trouble: Trouble,
        residents: usize,
    ) -> Self {
        let mut process = Self::client(store, clock, history, trouble);
        let builder = process.stent.worker().concurrency(3).lease(LEASE).max_resident(residents);
        let builder = builder.max_deliveries(u32::MAX).poll(Duration::from_secs(1)).suspend_after(LEASE / 4);
        let worker = process.runtime.block_on(builder.start()).unwrap();
        let id = process.stent.resource::<Arc<OnceLock<stent_core::WorkerId>>>().unwrap();
        id.set(worker.id()).unwrap();
        process.worker = Some(worker);
        process
    }

    /// What its calls meet from now on.
    pub(crate) fn meet(&self, trouble: Trouble) {
        self.plan.plan_random(trouble.seed, trouble.probability);
    }

    /// Runs what is ready, so many times over; once that is nothing, what waits to spare the store.
    pub(crate) fn run(&self, rounds: u32) {
        if self.stands_still {
            return;
        }
        self.runtime.block_on(async {
            for _ in 0..rounds {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Lets those go on that wait a moment before they ask the store again.
    pub(crate) fn rest(&self) {
        if !self.stands_still {
            self.runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
        }
    }

    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// Neither runs nor reaches the store.
    pub(crate) fn stand_still(&mut self) {
        self.stands_still = true;
        self.plan.plan(1, Fault::Hangs(Moment::Before));
    }

    pub(crate) fn go_on(&mut self, trouble: Trouble) {
        self.stands_still = false;
        self.plan.repair();
        self.meet(trouble);
    }

    pub(crate) fn stands_still(&self) -> bool {
        self.stands_still
    }

    /// Gone, with all that it was at.
    pub(crate) fn die(self) {
        self.plan.repair();
        self.plan.plan(1, Fault::Dies(Moment::Before));
        let Self { worker, runtime, .. } = self;
        runtime.shutdown_background();
        drop(worker);
    }
}
