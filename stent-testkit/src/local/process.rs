//! The process of a test's worker: a thread with a runtime of its own, that runs only while the test waits for something, and can be killed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use stent_core::backend::{Claims, Inspect};
use stent_core::worker::WorkerState;
use stent_core::{Clock, WorkerId};
use stent_executor::{StentError, Worker, WorkerBuilder};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Dispatch;

use super::clock::EventClock;
use super::drive::{Driver, Goal, Halt};
use super::error::TestError;
use super::parking::Parking;
use crate::memory::MemoryBackend;

/// How long the heartbeat of a killed worker may take to end. It has a thread of its own, and nothing to wait for.
const LAST_BEAT: Duration = Duration::from_secs(10);

/// What a process is started with.
pub(super) struct Setup {
    pub(super) worker: WorkerBuilder,
    pub(super) backend: MemoryBackend,
    pub(super) clock: EventClock,
    pub(super) patience: Duration,
}

/// A handle on the process of a worker. Once the last is dropped, it ends by itself.
#[derive(Debug, Clone)]
pub(super) struct Process {
    orders: mpsc::UnboundedSender<Order>,
    killed: Arc<watch::Sender<bool>>,
}

enum Order {
    Reach(Goal, oneshot::Sender<Result<(), Halt>>),
    /// Answered when nothing of the process is left.
    End(oneshot::Sender<()>),
}

impl Process {
    /// Starts a process, and waits until its worker is ready.
    pub(super) async fn start(setup: Setup) -> Result<Self, TestError> {
        let (orders, received) = mpsc::unbounded_channel();
        let (killed, kill) = watch::channel(false);
        let (ready, is_ready) = oneshot::channel();
        let dispatch = tracing::dispatcher::get_default(Dispatch::clone);
        let life = move || {
            // What a test logs to is its thread's own at times.
            tracing::dispatcher::with_default(&dispatch, || live(setup, ready, received, kill));
        };
        thread::Builder::new().name("stent-test-worker".into()).spawn(life).map_err(TestError::Thread)?;
        is_ready.await.unwrap_or(Err(TestError::Gone))?;
        Ok(Self { orders, killed: Arc::new(killed) })
    }

    /// Lets things go on until this is reached; they stop where they are when this is dropped. `None` if the process is gone.
    pub(super) async fn reach(&self, goal: Goal) -> Option<Result<(), Halt>> {
        let (reply, reached) = oneshot::channel();
        self.orders.send(Order::Reach(goal, reply)).ok()?;
        reached.await.ok()
    }

    /// Kills the process, wherever its code is, and waits until nothing is left of it.
    pub(super) async fn kill(&self) {
        self.killed.send_replace(true);
        let (reply, ended) = oneshot::channel();
        if self.orders.send(Order::End(reply)).is_ok() {
            // An error says that it is gone already.
            let _ = ended.await;
        }
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach(goal, _) => f.debug_tuple("Reach").field(goal).finish(),
            Self::End(_) => f.write_str("End"),
        }
    }
}

/// All that the thread does.
fn live(
    setup: Setup,
    ready: oneshot::Sender<Result<(), TestError>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    mut kill: watch::Receiver<bool>,
) {
    let (backend, clock, parking) = (setup.backend.clone(), setup.clock.clone(), Parking::default());
    let started = runtime(&parking).map_err(TestError::Thread).and_then(|runtime| {
        let worker = runtime.block_on(start(setup.worker)).map_err(TestError::Stent)?;
        Ok((runtime, worker))
    });
    let (runtime, worker) = match started {
        Ok(started) => started,
        Err(error) => {
            // Whoever waits for it has been dropped, if this fails.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let id = worker.id();
    let driver = Driver { worker: Arc::new(worker), backend, clock, parking, patience: setup.patience };
    let _ = ready.send(Ok(()));
    let end = loop {
        match orders.blocking_recv() {
            Some(Order::Reach(goal, mut reply)) => {
                let reached = runtime.block_on(async {
                    tokio::select! {
                        biased;
                        _ = kill.wait_for(|killed| *killed) => Some(Err(Halt::Killed)),
                        () = reply.closed() => None,
                        reached = driver.reach(goal) => Some(reached),
                    }
                });
                if let Some(reached) = reached {
                    let _ = reply.send(reached);
                }
            }
            Some(Order::End(reply)) => break Some(reply),
            None => break None,
        }
    };
    let (backend, clock) = (driver.backend.clone(), driver.clock.clone());
    drop(driver);
    // All tasks are dropped where they are; what blocks threads of the runtime is left to itself.
    runtime.shutdown_background();
    if let Some(reply) = end {
        bury(&backend, &clock, id);
        let _ = reply.send(());
    }
}

fn runtime(parking: &Parking) -> io::Result<Runtime> {
    let parking = parking.clone();
    Builder::new_current_thread().enable_all().on_thread_park(move || parking.about_to_park()).build()
}

async fn start(worker: WorkerBuilder) -> Result<Worker, StentError> {
    let worker = worker.start().await?;
    worker.wait_for(WorkerState::Ready).await;
    // Its heartbeat, on a thread of its own, may be in the midst of waking those who waited for the first beat; by the next it has woken all.
    worker.renew().await;
    Ok(worker)
}

/// Lets the claims of a dead worker run out, as the next worker of a machine does for a process that is gone (C-Q6). Not before its heartbeat, on a thread of its
/// own, has renewed them for the last time.
fn bury(backend: &MemoryBackend, clock: &EventClock, worker: WorkerId) {
    let is_over = || {
        // A store in memory answers at once.
        let workers = backend.workers().now_or_never().and_then(Result::ok).unwrap_or_default();
        workers.iter().any(|other| other.id == worker && other.state == WorkerState::Stopped)
    };
    let since = Instant::now();
    while !is_over() && since.elapsed() < LAST_BEAT {
        thread::sleep(Duration::from_micros(100));
    }
    let _ = backend.lapse(clock.now(), worker).now_or_never();
}
