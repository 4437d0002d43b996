//! A stage on which functions work: it takes their time, writes down what they do, and lets them fail and crash as told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stent_core::task::TaskState;
use stent_core::time::IntoDuration;
use stent_core::{Backend, Clock};
use stent_executor::prelude::*;
use stent_executor::{Registration, WorkerBuilder};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{Fault, FaultPlan, Moment};
use tokio::sync::watch;

use crate::{Bench, Ledger, Process};

/// What is to go wrong on a bench, and who is at work there. Clones are the same stage; functions have it as a resource.
#[derive(Clone)]
pub struct Stage(Arc<Shared>);

struct Shared {
    clock: ManualClock,
    ledger: Ledger,
    /// A way to the store that outlives every process, to look up what is recorded while code starts.
    truth: Arc<dyn Backend>,
    plot: Mutex<Plot>,
    crashes: watch::Sender<u32>,
    /// Tells those at work that another one is.
    begun: watch::Sender<u64>,
}

#[derive(Default)]
struct Plot {
    /// How often a piece of work fails from now on, and how.
    failures: HashMap<String, (u32, Failure)>,
    /// Pieces of work whose next beginning kills its process.
    crashes: HashSet<String>,
    at_work: BTreeMap<u64, (String, FaultPlan)>,
    begun: u64,
    /// How many of a kind have to have been at work at once before one of them goes on.
    together: HashMap<String, usize>,
    peaks: HashMap<String, usize>,
    repeated: Vec<String>,
}

impl Stage {
    /// A stage on this bench.
    pub async fn on(bench: &Bench) -> Self {
        Self(Arc::new(Shared {
            clock: bench.clock.clone(),
            ledger: bench.ledger.clone(),
            truth: bench.backend().await,
            plot: Mutex::default(),
            crashes: watch::Sender::new(0),
            begun: watch::Sender::new(0),
        }))
    }

    /// A process that works here.
    pub async fn process(
        &self,
        bench: &Bench,
        functions: Vec<Registration>,
        worker: impl FnOnce(WorkerBuilder) -> WorkerBuilder,
    ) -> Process {
        let program = bench.process_with(functions, |program| program.resource(self.clone()).allow_remote(true), true);
        program.await.work(bench, worker).await
    }

    /// Lets a piece of work fail the next few times.
    pub fn fail(&self, what: impl Into<String>, times: u32, error: impl Into<Failure>) {
        self.plot().failures.insert(what.into(), (times, error.into()));
    }

    /// Lets the process that begins this piece of work next be gone in that moment, before the work has had any effect.
    pub fn crash(&self, what: impl Into<String>) {
        self.plot().crashes.insert(what.into());
    }

    /// Lets no work of this kind get done before so many pieces of it were done at once: who never does as many never ends, and how fast the machine
    /// is does not matter.
    pub fn demand(&self, kind: &str, at_once: usize) {
        self.plot().together.insert(kind.to_owned(), at_once);
    }

    /// Waits until so many processes have crashed.
    pub async fn crashed(&self, times: u32) {
        // The sender is in `self`.
        let _ = self.0.crashes.subscribe().wait_for(|crashes| *crashes >= times).await;
    }

    /// How many pieces of work of this kind, the first word of what they are called, were ever done at once by processes that lived.
    #[must_use]
    pub fn peak(&self, kind: &str) -> usize {
        self.plot().peaks.get(kind).copied().unwrap_or(0)
    }

    /// Work of tasks that began though the task had completed.
    #[must_use]
    pub fn repeated(&self) -> Vec<String> {
        self.plot().repeated.clone()
    }

    /// Work is done by a function of this process; ends with its process, or never.
    async fn work(&self, ctx: &Ctx, plan: FaultPlan, what: String, takes: std::time::Duration) -> Result<()> {
        let task = self.0.truth.task(ctx.task()).await?;
        if self.plot().crashes.remove(&what) {
            plan.plan(1, Fault::Dies(Moment::Before));
            self.0.crashes.send_modify(|crashes| *crashes += 1);
        }
        if plan.is_dead() {
            return std::future::pending().await;
        }
        if task.is_none_or(|task| task.state == TaskState::Completed) {
            self.plot().repeated.push(what.clone());
        }
        self.0.ledger.note(what.clone());
        let _at_work = AtWork::begin(self, &what, &plan);
        self.company(kind(&what)).await;
        self.0.clock.wait_until(self.0.clock.now().after(takes)).await;
        let mut plot = self.plot();
        match plot.failures.get_mut(&what) {
            Some((times, failure)) if *times > 0 => {
                *times -= 1;
                Err(failure.clone())
            }
            _ => Ok(()),
        }
    }

    /// Waits until as many of this kind were at work at once as are demanded.
    async fn company(&self, kind: &str) {
        let is_complete = |_: &u64| {
            let plot = self.plot();
            plot.together.get(kind).is_none_or(|demanded| plot.peaks.get(kind) >= Some(demanded))
        };
        // The sender is in `self`.
        let _ = self.0.begun.subscribe().wait_for(is_complete).await;
    }

    fn plot(&self) -> MutexGuard<'_, Plot> {
        self.0.plot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A function's work: `what` is written down when it begins, takes its time, and fails if the stage says so.
///
/// # Errors
/// The failure that the stage was told; `MissingResource` outside of a stage's processes.
pub async fn work(ctx: &Ctx, what: impl Into<String>, takes: impl IntoDuration) -> Result<()> {
    let (stage, plan) = (ctx.resource::<Stage>()?, ctx.resource::<FaultPlan>()?);
    let takes = takes.into_duration()?;
    stage.work(ctx, FaultPlan::clone(&plan), what.into(), takes).await
}

/// What kind of work this is: its first word.
fn kind(what: &str) -> &str {
    what.split(' ').next().unwrap_or_default()
}

/// Work that is being done.
struct AtWork<'a> {
    stage: &'a Stage,
    number: u64,
}

impl<'a> AtWork<'a> {
    fn begin(stage: &'a Stage, what: &str, plan: &FaultPlan) -> Self {
        let kind = kind(what);
        let mut plot = stage.plot();
        plot.begun += 1;
        let number = plot.begun;
        plot.at_work.insert(number, (kind.to_owned(), plan.clone()));
        let now = plot.at_work.values().filter(|(other, plan)| other == kind && !plan.is_dead()).count();
        let peak = plot.peaks.entry(kind.to_owned()).or_default();
        *peak = now.max(*peak);
        drop(plot);
        stage.0.begun.send_replace(number);
        Self { stage, number }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.stage.plot().at_work.remove(&self.number);
    }
}
