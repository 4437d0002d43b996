//! One of several processes on a store, with faults of its own, that can be made to die.

use std::sync::Arc;

use stent_executor::{Registration, Stent, StentBuilder, Worker, WorkerBuilder};
use stent_testkit::faulty::{Fault, FaultPlan, FaultyBackend, Moment};

use crate::Bench;

/// A program on a handle of its own, and its worker.
pub struct Process {
    /// Its client.
    pub stent: Stent,
    /// The faults that its calls meet, those of no other process; it counts its calls alone.
    pub plan: FaultPlan,
    worker: Option<Worker>,
}

impl Bench {
    /// A process with these functions, and no worker yet.
    pub async fn process(&self, functions: Vec<Registration>) -> Process {
        self.process_with(functions, |program| program, true).await
    }

    /// A process that hears no hints, and finds everything by looking.
    pub async fn deaf_process(&self, functions: Vec<Registration>) -> Process {
        self.process_with(functions, |program| program, false).await
    }

    /// A process with these functions whose program is changed before it is built. Its functions have its plan as a resource.
    pub async fn process_with(
        &self,
        functions: Vec<Registration>,
        change: impl FnOnce(StentBuilder) -> StentBuilder,
        has_hints: bool,
    ) -> Process {
        let plan = FaultPlan::none();
        let backend = FaultyBackend::new(self.backend().await, plan.clone());
        let backend = if has_hints { backend } else { backend.without_hints() };
        let program = change(self.program_on(Arc::new(backend), functions).resource(plan.clone()));
        Process { stent: program.build().await.unwrap(), plan, worker: None }
    }
}

impl Process {
    /// Starts its worker, and waits until it is ready.
    pub async fn work(mut self, bench: &Bench, change: impl FnOnce(WorkerBuilder) -> WorkerBuilder) -> Self {
        self.worker = Some(bench.worker(change(self.stent.worker())).await);
        self
    }

    /// Its worker, which was started.
    #[must_use]
    pub fn worker(&self) -> &Worker {
        self.worker.as_ref().unwrap()
    }

    /// Its worker, taken from it.
    pub fn take_worker(&mut self) -> Option<Worker> {
        self.worker.take()
    }

    /// It is gone from one moment to the next: its code is dropped, and nothing more of it reaches the store. What it held it
    /// holds until its leases end.
    pub async fn die(self, bench: &Bench) {
        self.plan.plan(1, Fault::Dies(Moment::Before));
        drop(self.worker);
        bench.settle().await;
    }
}
