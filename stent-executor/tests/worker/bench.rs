//! A program on a store in memory, with a clock that is moved by hand and a function whose run can be watched and held.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stent_core::claim::{Claim, ClaimFunction, ClaimRequest};
use stent_core::name::FunctionName;
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{Backend, ClaimToken, Clock, Timestamp, WorkerId};
use stent_executor::prelude::*;
use stent_executor::{DurableFunction, Stent, Worker};
use stent_testkit::clock::ManualClock;
use stent_testkit::faulty::{FaultPlan, FaultyBackend};
use stent_testkit::memory::MemoryBackend;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// Long enough for anything that happens at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// What happens, or a test that says that it did not.
pub(crate) async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, event).await.unwrap_or_else(|_| panic!("did not happen: {what}"))
}

/// Adds.
#[durable]
pub(crate) async fn add(a: u32, b: u32) -> Result<u32> {
    Ok(a + b)
}

/// Adds up what its children do, one after the other.
#[durable]
pub(crate) async fn adds(ctx: Ctx, count: u32) -> Result<u32> {
    let mut sum = 0;
    for number in 0..count {
        sum += ctx.call(add(number, 1)).await?;
    }
    Ok(sum)
}

/// Runs until the gate is opened; gives the attempt that it was.
#[durable]
pub(crate) async fn hold(ctx: Ctx) -> Result<u32> {
    let probe = ctx.resource::<Probe>()?;
    let _leaves = Leaves(Arc::clone(&probe));
    probe.entered.send(ctx.attempt())?;
    probe.gate.acquire().await?.forget();
    Ok(ctx.attempt())
}

/// Calls `hold`.
#[durable]
pub(crate) async fn holds(ctx: Ctx) -> Result<u32> {
    ctx.call(hold()).await
}

/// Shares its result.
#[durable(cached)]
pub(crate) async fn shared(ctx: Ctx, number: u32) -> Result<u32> {
    ctx.resource::<Probe>()?.entered.send(number)?;
    Ok(number)
}

/// Blocks its thread until the gate is opened.
#[durable]
pub(crate) async fn block(ctx: Ctx) -> Result<()> {
    let probe = ctx.resource::<Probe>()?;
    probe.entered.send(ctx.attempt())?;
    while probe.gate.try_acquire().map(SemaphorePermit::forget).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// A function that nobody registers.
#[durable]
pub(crate) async fn elsewhere() -> Result<()> {
    Ok(())
}

struct Probe {
    entered: mpsc::UnboundedSender<u32>,
    left: mpsc::UnboundedSender<()>,
    gate: Arc<Semaphore>,
}

struct Leaves(Arc<Probe>);

impl Drop for Leaves {
    fn drop(&mut self) {
        let _ = self.0.left.send(());
    }
}

/// The program, and what its functions tell.
pub(crate) struct Bench {
    pub(crate) memory: MemoryBackend,
    pub(crate) plan: FaultPlan,
    pub(crate) clock: ManualClock,
    pub(crate) stent: Stent,
    /// Opens for one run of `hold` a permit.
    pub(crate) gate: Arc<Semaphore>,
    entered: mpsc::UnboundedReceiver<u32>,
    left: mpsc::UnboundedReceiver<()>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (memory, plan, clock) = (MemoryBackend::new(), FaultPlan::none(), ManualClock::default());
        let (entered_sender, entered) = mpsc::unbounded_channel();
        let (left_sender, left) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let stent = Stent::builder(FaultyBackend::new(Arc::new(memory.clone()), plan.clone()))
            .functions(functions![add, adds, block, hold, holds, shared])
            .resource(Probe { entered: entered_sender, left: left_sender, gate: Arc::clone(&gate) })
            .clock(Arc::new(clock.clone()))
            .build()
            .await
            .unwrap();
        Self { memory, plan, clock, stent, gate, entered, left }
    }

    /// A worker that is ready.
    pub(crate) async fn worker(&self) -> Worker {
        let worker = self.stent.worker().concurrency(2).lease("10s").start().await.unwrap();
        soon("ready", worker.wait_for(WorkerState::Ready)).await;
        worker
    }

    /// The attempt of the next run of `hold` that begins.
    pub(crate) async fn entered(&mut self) -> u32 {
        soon("hold begins", self.entered.recv()).await.unwrap()
    }

    /// True if a run of `hold` began that was not asked for.
    pub(crate) fn has_entered(&mut self) -> bool {
        self.entered.try_recv().is_ok()
    }

    /// True if a run of `hold` has left memory.
    pub(crate) fn has_left(&mut self) -> bool {
        self.left.try_recv().is_ok()
    }

    /// Waits until a run of `hold` has left memory.
    pub(crate) async fn left(&mut self) {
        soon("hold is dropped", self.left.recv()).await.unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Moves the clock on in steps that no renewal misses.
    pub(crate) async fn pass(&self, time: Duration) {
        for _ in 0..time.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            soon("everything is at rest", self.plan.settle()).await;
        }
    }

    /// What another process does: claims what there is, and answers nothing more.
    pub(crate) async fn claim_elsewhere<F: DurableFunction>(&self, worker: WorkerId, lease: Duration) -> Vec<Claim> {
        let function = ClaimFunction {
            name: FunctionName::new(F::definition().name).unwrap(),
            version: None,
            max_concurrent: None,
        };
        let request = ClaimRequest {
            worker,
            token: ClaimToken::random(),
            lease,
            limit: 10,
            functions: Arc::new([function]),
            queues: Arc::new([]),
            tags: Arc::new([]),
            take_expired: true,
            is_poll: false,
        };
        let claimed = claims(&self.memory, self.now(), &request).await;
        claimed.into_iter().map(|task| task.claim).collect()
    }

    /// What another process is known as.
    pub(crate) async fn announce_elsewhere(&self, worker: WorkerId, process: ProcessIdentity) {
        let record = WorkerRecord {
            id: worker,
            process,
            state: WorkerState::Ready,
            concurrency: 1,
            functions: Arc::new([]),
            queues: Arc::new([]),
            tags: Arc::new([]),
            lease: Duration::from_secs(3_600),
            seen_at: self.now(),
        };
        let backend: &dyn Backend = &self.memory;
        assert!(backend.renew(self.now(), &record, &[]).await.unwrap().is_empty());
    }
}

async fn claims(backend: &dyn Backend, now: Timestamp, request: &ClaimRequest) -> Vec<stent_core::claim::ClaimedTask> {
    backend.claim(now, request).await.unwrap().tasks
}
