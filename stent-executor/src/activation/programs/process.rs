//! One activation of the execution's root in a process of its own: an engine, a way to the store that can be held and cut off, and
//! a probe in its function.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use stent_core::claim::{Claim, ClaimedTask};
use stent_core::operation::OperationId;
use stent_core::outcome::Ended;
use stent_core::{Failure, TaskId, WorkerId};
use stent_testkit::clock::ManualClock;
use stent_testkit::memory::MemoryBackend;
use tokio::sync::watch;

use super::gate::Gate;
use super::interpret::{Child, Probe, Root};
use super::program::Program;
use super::random::Random;
use crate::activation::{self, Left, Phase};
use crate::engine::Engine;
use crate::registry::Registration;
use crate::settings::Settings;
use crate::stent::Stent;

/// How often a process looks for news.
const POLL: Duration = Duration::from_millis(20);

/// One activation and what it runs in.
pub(super) struct Process {
    pub(super) claim: Claim,
    pub(super) worker: WorkerId,
    pub(super) generation: u32,
    pub(super) gate: Gate,
    pub(super) probe: Arc<Probe>,
    pub(super) draining: watch::Sender<bool>,
    engine: Arc<Engine>,
    activation: Option<BoxFuture<'static, Left>>,
    woken: Arc<Flag>,
}

/// An operation of an activation, as it was at the end.
pub(super) struct Done {
    pub(super) id: OperationId,
    pub(super) phase: Phase,
    pub(super) argument: u64,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Process {
    /// Starts a process on a claimed root.
    pub(super) async fn start(
        store: &MemoryBackend,
        clock: &ManualClock,
        random: &mut Random,
        program: Program,
        (task, worker): (ClaimedTask, WorkerId),
    ) -> Self {
        let gate = Gate::new(store, Random::new(random.next()));
        let probe = Arc::new(Probe::new(program));
        let stent = Stent::with_backend(Arc::new(gate.clone()))
            .clock(Arc::new(clock.clone()))
            .functions([Registration::of::<Root>(), Registration::of::<Child>()])
            .resource(Arc::clone(&probe))
            .poll(POLL)
            .build();
        let stent = stent.await.unwrap();
        let suspend_after = Duration::from_millis(if random.chance(20) { 0 } else { 50 });
        let replay_patience = Duration::from_millis(100);
        let settings = Settings { concurrency: 1, poll: POLL, suspend_after, replay_patience, ..Settings::default() };
        let engine = Arc::new(Engine::new(&stent.program, settings));
        let slot = engine.slots.take_for_claim().unwrap();
        let (draining, drained) = watch::channel(false);
        let (claim, generation) = (task.claim, task.generation);
        let activation = Box::pin(activation::run(Arc::clone(&engine), task, slot, drained));
        gate.hold([0, 20, 50][random.index(3)]);
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        Self { claim, worker, generation, gate, probe, draining, engine, activation: Some(activation), woken }
    }

    /// Whether there is a reason to poll.
    pub(super) fn is_woken(&self) -> bool {
        self.activation.is_some() && self.woken.0.load(Ordering::SeqCst)
    }

    pub(super) fn is_there(&self) -> bool {
        self.activation.is_some()
    }

    /// Polls the activation once; what it was left with, if it was.
    pub(super) fn poll(&mut self) -> Option<Left> {
        self.woken.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        let activation = self.activation.as_mut()?;
        match activation.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(left) => {
                self.activation = None;
                Some(left)
            }
        }
    }

    /// Steps that run, those that were dropped left out.
    pub(super) fn running_steps(&self) -> usize {
        let mut log = self.probe.log();
        log.running.retain(|step| !step.is_closed());
        log.running.len()
    }

    pub(super) fn end_step(&self, at: usize, result: Result<u64, Failure>) {
        let step = self.probe.log().running.swap_remove(at);
        // An error says that the step was dropped.
        let _ = step.send(result);
    }

    /// What this process itself knows of a task's end.
    pub(super) fn tell(&self, task: TaskId, ended: &Ended) {
        self.engine.news.task_ended(task, ended);
    }

    /// The steps started since the last time, with what they were made with.
    pub(super) fn take_started(&self) -> Vec<(OperationId, u64)> {
        let mut log = self.probe.log();
        let started = std::mem::take(&mut log.started);
        let Some(ctx) = &log.ctx else { return Vec::new() };
        let shared = ctx.activation().shared();
        started.into_iter().map(|slot| (shared.operations[slot].id.clone(), log.arguments[&slot])).collect()
    }

    /// All operations that the function made.
    pub(super) fn history(&self) -> Vec<Done> {
        let log = self.probe.log();
        let Some(ctx) = &log.ctx else { return Vec::new() };
        let shared = ctx.activation().shared();
        let done = |(slot, operation): (usize, &crate::activation::Operation)| Done {
            id: operation.id.clone(),
            phase: operation.phase,
            argument: log.arguments.get(&slot).copied().unwrap_or_default(),
        };
        shared.operations.iter().enumerate().map(done).collect()
    }
}

impl Drop for Process {
    /// A crash: the code is gone, and what it has asked for and not got does not happen.
    fn drop(&mut self) {
        self.gate.kill();
        self.activation = None;
        let ctx = self.probe.log().ctx.take();
        drop(ctx);
    }
}
