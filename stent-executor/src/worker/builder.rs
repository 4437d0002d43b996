//! A worker's settings, checked before it starts.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use stent_core::WorkerId;
use stent_core::limits;
use stent_core::name::{QueueName, Tag};
use stent_core::time::IntoDuration;
use stent_core::worker::WorkerState;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::contact::Contact;
use super::drain::Phase;
use super::lease::Leases;
use super::replays::EarlyReplays;
use super::{Shared, Worker, complete, process};
use crate::engine::Engine;
use crate::error::StentError;
use crate::settings::{CONCURRENCY_MAX, Settings};
use crate::stent::{Stent, positive};

/// A worker being built. What was refused first is what [`start`](Self::start) says.
#[must_use = "nothing runs before `start`"]
pub struct WorkerBuilder {
    stent: Stent,
    settings: Settings,
    queues: Vec<QueueName>,
    tags: Vec<Tag>,
    invalid: Option<StentError>,
}

impl WorkerBuilder {
    pub(crate) fn new(stent: Stent) -> Self {
        let program = &stent.program;
        let settings = Settings { payload_limit: program.payload_limit, poll: program.poll, ..Settings::default() };
        Self { stent, settings, queues: Vec::new(), tags: Vec::new(), invalid: None }
    }

    /// Tasks whose code runs at once: 1 to 10,000; 4 a core by default. A task that waits is not counted.
    pub fn concurrency(self, tasks: usize) -> Self {
        self.ranged("concurrency", tasks, 1, CONCURRENCY_MAX, |settings, tasks| settings.concurrency = tasks)
    }

    /// Serves these queues, and tasks without one (C-Q1); by default it serves every queue.
    pub fn queues(mut self, queues: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let queues = queues.into_iter().map(QueueName::new).collect::<Result<Vec<_>, _>>();
        self.queues = self.valid(queues.map_err(StentError::from)).unwrap_or_default();
        self
    }

    /// Takes tasks that share a tag with these, and tasks without any (C-Q1); by default it takes every task.
    pub fn tags(mut self, tags: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let tags = tags.into_iter().map(Tag::new).collect::<Result<Vec<_>, _>>();
        self.tags = self.valid(tags.map_err(StentError::from)).unwrap_or_default();
        self
    }

    /// How long a claim holds unless renewed, which is every third of it: at least 100 ms, 10 s by default. When a
    /// worker is lost, others take its tasks after this time; a worker that does not reach the store for as long stops
    /// its tasks.
    pub fn lease(mut self, lease: impl IntoDuration) -> Self {
        let rule = || StentError::invalid("lease", format!("must be at least {} ms", limits::LEASE_MIN.as_millis()));
        let lease =
            positive("lease", lease).and_then(|lease| if lease < limits::LEASE_MIN { Err(rule()) } else { Ok(lease) });
        if let Some(lease) = self.valid(lease) {
            self.settings.lease = lease;
        }
        self
    }

    /// How often it looks for tasks that no hint told of; by default as often as the client.
    pub fn poll(self, interval: impl IntoDuration) -> Self {
        self.lasting(positive("poll", interval), |settings, interval| settings.poll = interval)
    }

    /// How long a task that only waits stays in memory; 10 s by default (C-Q4). Zero: not at all.
    pub fn suspend_after(self, time: impl IntoDuration) -> Self {
        self.lasting(any("suspend_after", time), |settings, time| settings.suspend_after = time)
    }

    /// How often a task that only waits leaves memory at once, its first times, whatever `suspend_after` says; 0 by default. For tests: each time
    /// it comes back by a replay, which shows whether its code is deterministic (C-R4).
    pub fn early_replays(mut self, times: u32) -> Self {
        self.settings.early_replays = times;
        self
    }

    /// Waiting tasks in memory beyond which the longest waiting leaves at once; 1,000 by default (C-Q4).
    pub fn max_resident(mut self, tasks: usize) -> Self {
        self.settings.max_resident = tasks;
        self
    }

    /// Items of a chunk of a map: 1 to 10,000; 1,000 by default (C-M1).
    pub fn chunk(self, items: u32) -> Self {
        self.ranged("chunk", items, 1, limits::CHUNK, |settings, items| settings.chunk = items)
    }

    /// Claims in a row that ran out without a new journal entry, after which a task is given up as `WorkerLost`: at
    /// least 1; 5 by default (C-Y4).
    pub fn max_deliveries(self, claims: u32) -> Self {
        self.ranged("max_deliveries", claims, 1, u32::MAX, |settings, claims| settings.max_deliveries = claims)
    }

    /// How long a replay waits for what its function awaits outside of its context, before that is taken for a
    /// divergence; 10 s by default (C-R8).
    pub fn replay_patience(self, time: impl IntoDuration) -> Self {
        self.lasting(positive("replay_patience", time), |settings, time| settings.replay_patience = time)
    }

    /// Whether a function that awaits something outside of its context, after its first operation, fails for good as `ForeignAwait`; by default it is
    /// warned of, once a function (C-R8). Such a part runs again in every replay. For tests and staging, above all.
    pub fn strict(mut self, strict: bool) -> Self {
        self.settings.strict = strict;
        self
    }

    /// How long running tasks may take to finish when it drains; 30 s by default (C-X4).
    pub fn drain_grace(self, time: impl IntoDuration) -> Self {
        self.lasting(any("drain_grace", time), |settings, time| settings.drain_grace = time)
    }

    /// How long ended executions are kept; 7 days by default, `None`: for ever (C-X3).
    pub fn retention<D: IntoDuration>(mut self, time: Option<D>) -> Self {
        if let Some(time) = self.valid(time.map(|time| positive("retention", time)).transpose()) {
            self.settings.retention = time;
        }
        self
    }

    /// Starts it. It is `ready` once it has reached the store; until then it tries.
    ///
    /// # Errors
    /// [`StentError::InvalidConfig`], [`StentError::Name`], [`StentError::Heartbeat`].
    pub async fn start(self) -> Result<Worker, StentError> {
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        let program = &self.stent.program;
        let engine = Arc::new(Engine::new(program, self.settings));
        let shared = Shared {
            id: WorkerId::random(),
            runtime: Handle::current(),
            functions: engine.registry.claim_functions(),
            queues: self.queues.into(),
            tags: self.tags.into(),
            process: process::identity(),
            state: watch::Sender::new(WorkerState::Starting),
            phase: watch::Sender::new(Phase::Running),
            stopped: watch::Sender::new(None),
            draining: watch::Sender::new(false),
            replays: EarlyReplays::new(engine.settings.early_replays),
            active: watch::Sender::new(0),
            awaits_tasks: AtomicBool::new(false),
            leases: Arc::new(Leases::default()),
            contact: Contact::new(engine.clock.now(), engine.settings.lease),
            ends: complete::completer(&engine),
            nudges: Arc::clone(&program.nudges),
            nudge: program.nudges.register(),
            engine,
        };
        Worker::start(Arc::new(shared)).map_err(|error| StentError::Heartbeat(Arc::new(error)))
    }

    fn ranged<T: PartialOrd + fmt::Display>(
        mut self,
        field: &'static str,
        value: T,
        least: T,
        most: T,
        set: impl FnOnce(&mut Settings, T),
    ) -> Self {
        let valid = if value >= least && value <= most {
            Ok(value)
        } else {
            Err(StentError::invalid(field, format!("must be {least} to {most}")))
        };
        if let Some(value) = self.valid(valid) {
            set(&mut self.settings, value);
        }
        self
    }

    fn lasting(mut self, time: Result<Duration, StentError>, set: impl FnOnce(&mut Settings, Duration)) -> Self {
        if let Some(time) = self.valid(time) {
            set(&mut self.settings, time);
        }
        self
    }

    /// The value, or nothing and the error kept.
    fn valid<T>(&mut self, value: Result<T, StentError>) -> Option<T> {
        value.map_err(|error| self.invalid.get_or_insert(error).clone()).ok()
    }
}

fn any(field: &'static str, value: impl IntoDuration) -> Result<Duration, StentError> {
    value.into_duration().map_err(|error| StentError::invalid(field, format!("cannot be read: {error}")))
}

impl fmt::Debug for WorkerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}
