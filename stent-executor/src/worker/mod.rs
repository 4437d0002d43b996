//! The worker: claims tasks, runs them, keeps their claims, and gives them up.
//!
//! In the order of the data: `claim` takes tasks while there are free slots, `standing` those that are made while there is nothing else, `run` drives one task each, `lease` holds
//! all claims and `heartbeat` renews them from a thread of its own, `complete` writes ends, `maintain` does what any
//! worker must, `drain` stops, `shutdown` hears when to. `neighbours` and `process` tell which other workers of this
//! machine are gone.

mod builder;
mod claim;
mod complete;
mod contact;
mod drain;
mod health;
mod heartbeat;
mod lease;
mod maintain;
mod neighbours;
mod process;
mod replays;
mod run;
mod shutdown;
mod standing;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stent_core::claim::ClaimFunction;
use stent_core::name::{QueueName, Tag};
use stent_core::worker::{ProcessIdentity, WorkerRecord, WorkerState};
use stent_core::{Timestamp, WorkerId};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::batch::Batcher;
use crate::engine::Engine;
use crate::error::Unfinished;
use crate::nudge::{Nudge, Nudges};
use complete::{Committed, Ending};
use contact::Contact;
use drain::Phase;
use lease::Leases;
use replays::EarlyReplays;

pub use builder::WorkerBuilder;
pub use health::Health;
pub(crate) use standing::{Place, StandingClaims, in_claim_order};

/// A running worker. Dropped, it stops at once; [`drain`](Self::drain) lets its tasks finish.
pub struct Worker {
    shared: Arc<Shared>,
}

/// What the parts of a worker share.
struct Shared {
    id: WorkerId,
    /// Where its tasks run, whoever makes them.
    runtime: Handle,
    engine: Arc<Engine>,
    functions: Arc<[ClaimFunction]>,
    queues: Arc<[QueueName]>,
    tags: Arc<[Tag]>,
    process: ProcessIdentity,
    state: watch::Sender<WorkerState>,
    phase: watch::Sender<Phase>,
    /// How it stopped, once it has.
    stopped: watch::Sender<Option<Result<(), Unfinished>>>,
    /// True if activations that only wait are to leave memory: once it drains, and when it is told so.
    draining: watch::Sender<bool>,
    replays: EarlyReplays,
    /// Claimed tasks whose end is not known yet.
    active: watch::Sender<usize>,
    /// True while the claim loop waits for a reason to look for tasks.
    awaits_tasks: AtomicBool,
    leases: Arc<Leases>,
    contact: Contact,
    ends: Batcher<Ending, Committed>,
    nudges: Arc<Nudges>,
    nudge: Arc<Nudge>,
}

impl Worker {
    fn start(shared: Arc<Shared>) -> io::Result<Self> {
        shared.engine.standing.register(&shared);
        let heartbeat = heartbeat::start(&shared)?;
        drain::start(&shared, heartbeat);
        Ok(Self { shared })
    }

    /// Its id, which every claim of it bears; a restarted program is another worker.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.shared.id
    }

    /// Where it is in its life: `ready` from its first successful look for tasks on (C-X4).
    #[must_use]
    pub fn state(&self) -> WorkerState {
        *self.shared.state.borrow()
    }

    /// Waits until it is in this state or past it; gives the state it is in then.
    pub async fn wait_for(&self, state: WorkerState) -> WorkerState {
        let mut states = self.shared.state.subscribe();
        // The sender is in `self`.
        states.wait_for(|now| *now >= state).await.map_or(WorkerState::Stopped, |state| *state)
    }

    /// Claimed tasks whose end is not known yet: those whose code runs, those that wait in memory, and those whose outcome is being written.
    #[must_use]
    pub fn tasks(&self) -> usize {
        *self.shared.active.borrow()
    }

    /// True if it is ready, runs no code, and has nothing to look at before time passes or something comes from outside.
    ///
    /// It knows what it has taken notice of: who has moved a clock or written to the store lets its runtime run before
    /// asking.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let shared = &self.shared;
        let engine = &shared.engine;
        self.state() == WorkerState::Ready
            && engine.slots.claimable() == engine.settings.concurrency
            && shared.awaits_tasks.load(Ordering::SeqCst)
            && !shared.nudge.is_ready()
            && engine.news.is_idle()
    }

    /// Renews all claims now and not at the next heartbeat, and waits until that is done: the code of claims that were
    /// lost or cancelled is being stopped then.
    pub async fn renew(&self) {
        let renewed = self.shared.contact.renewed_anew();
        self.shared.nudge.beat();
        renewed.await;
    }

    /// Whether tasks that only wait leave memory at once, from now on, whatever `suspend_after` says. It is not so at first.
    pub fn suspend_at_once(&self, at_once: bool) {
        let shared = &self.shared;
        shared.draining.send_if_modified(|leave| {
            // A drain wants them gone.
            shared.is_running() && std::mem::replace(leave, at_once) != at_once
        });
    }

    /// Claims no more, and lets running tasks finish, suspend or, after the grace, be released; then it has stopped
    /// (C-X4). May be called again.
    ///
    /// # Errors
    /// [`Unfinished`] if tasks had to be released; it has stopped all the same.
    pub async fn drain(&self) -> Result<(), Unfinished> {
        self.shared.enter(Phase::Draining);
        self.shared.wait_stopped().await
    }

    /// Stops without a grace: running code is dropped at its next await, and its tasks are released. Cuts short a drain
    /// that is under way.
    ///
    /// # Errors
    /// [`Unfinished`] if tasks had to be released; it has stopped all the same.
    pub async fn stop(&self) -> Result<(), Unfinished> {
        self.shared.enter(Phase::Stopping);
        self.shared.wait_stopped().await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.enter(Phase::Stopping);
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("id", &self.shared.id).field("state", &self.state()).finish_non_exhaustive()
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }

    /// The worker as it announces itself now.
    fn record(&self, now: Timestamp) -> WorkerRecord {
        WorkerRecord {
            id: self.id,
            process: self.process.clone(),
            state: *self.state.borrow(),
            concurrency: u32::try_from(self.engine.settings.concurrency).unwrap_or(u32::MAX),
            functions: Arc::clone(&self.functions),
            queues: Arc::clone(&self.queues),
            tags: Arc::clone(&self.tags),
            lease: self.engine.settings.lease,
            seen_at: now,
        }
    }

    /// Goes on to a state, never back.
    fn become_state(&self, state: WorkerState) {
        let advanced = self.state.send_if_modified(|now| {
            let advances = state > *now;
            *now = state.max(*now);
            advances
        });
        if advanced {
            tracing::info!(%state, "the worker's state");
            self.nudge.beat();
        }
    }

    /// Goes on to a phase, never back.
    fn enter(&self, phase: Phase) {
        self.phase.send_if_modified(|now| {
            let advances = phase > *now;
            *now = phase.max(*now);
            advances
        });
    }

    fn is_running(&self) -> bool {
        *self.phase.borrow() == Phase::Running
    }

    /// Waits until it is no longer to claim.
    async fn left_running(&self) {
        // The sender is in `self`.
        let _ = self.phase.subscribe().wait_for(|phase| *phase != Phase::Running).await;
    }

    async fn wait_stopped(&self) -> Result<(), Unfinished> {
        let mut stopped = self.stopped.subscribe();
        stopped.wait_for(Option::is_some).await.map_or(Ok(()), |stopped| stopped.unwrap_or(Ok(())))
    }
}
