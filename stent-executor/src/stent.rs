//! The client: what a program has of Stent, and how it is built.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stent_core::commit::Dispatched;
use stent_core::execution::{ExecutionStatus, NewExecution};
use stent_core::limits;
use stent_core::time::IntoDuration;
use stent_core::{Backend, BackendError, Clock, ExecutionId};

use crate::backoff::Backoff;
use crate::batch::{BatchLimits, Batcher};
use crate::codec::{Codec, JsonCodec};
use crate::dispatch::{Dispatches, Statuses};
use crate::engine::Resources;
use crate::error::StentError;
use crate::nudge::Nudges;
use crate::registry::{Registration, Registry};
use crate::settings;
use crate::system_clock::SystemClock;
use crate::telemetry::{TraceContext, Traces};
use crate::wait::News;
use crate::worker::{Place, StandingClaims, WorkerBuilder};

/// The client of a store: dispatches, waits, signals, cancels, and starts workers. Cheap to clone.
#[derive(Clone)]
pub struct Stent {
    pub(crate) program: Arc<Program>,
}

/// What client and workers of one program share.
pub(crate) struct Program {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codec: Arc<dyn Codec>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) resources: Resources,
    pub(crate) traces: Traces,
    pub(crate) payload_limit: usize,
    pub(crate) allows_remote: bool,
    pub(crate) poll: Duration,
    pub(crate) news: News,
    pub(crate) nudges: Arc<Nudges>,
    pub(crate) standing: Arc<StandingClaims>,
    /// Dispatches, each call by itself; `dispatches` gathers them.
    pub(crate) dispatcher: Dispatches,
    pub(crate) dispatches: Batcher<NewExecution, Dispatched, Option<Place>>,
    pub(crate) statuses: Batcher<ExecutionId, ExecutionStatus>,
}

impl Stent {
    /// Begins to build a client of this backend.
    ///
    /// ```no_run
    /// use stent_executor::Stent;
    /// use stent_executor::prelude::*;
    ///
    /// #[durable]
    /// async fn greet(name: String) -> Result<String> {
    ///     Ok(format!("Hello, {name}!"))
    /// }
    ///
    /// # async fn example(backend: impl stent_core::Backend + 'static) -> Result<()> {
    /// let stent = Stent::builder(backend).functions(functions![greet]).build().await?;
    /// let worker = stent.worker().concurrency(32).start().await?;
    /// let greeting = stent.dispatch(greet("Ada".into())).await?.result().await?;
    /// worker.drain().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(backend: impl Backend + 'static) -> StentBuilder {
        Self::with_backend(Arc::new(backend))
    }

    /// Begins to build a client of a backend that others hold, too.
    pub fn with_backend(backend: Arc<dyn Backend>) -> StentBuilder {
        StentBuilder {
            backend,
            clock: Arc::new(SystemClock::new()),
            codec: Arc::new(JsonCodec),
            functions: Vec::new(),
            resources: Resources::default(),
            traces: Traces::default(),
            payload_limit: limits::PAYLOAD,
            allows_remote: false,
            poll: None,
            invalid: None,
        }
    }

    /// Begins to build a worker that runs the registered functions.
    pub fn worker(&self) -> WorkerBuilder {
        WorkerBuilder::new(self.clone())
    }

    /// The store, for all that lists and inspects.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.program.backend
    }

    /// The value that functions get by this type, if the program was built with one.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.program.resources.get()
    }

    /// The clock that all of this program goes by.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.program.clock
    }
}

impl fmt::Debug for Stent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stent").field("registry", &self.program.registry).finish_non_exhaustive()
    }
}

/// A client being built.
#[must_use = "nothing is built before `build`"]
pub struct StentBuilder {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    codec: Arc<dyn Codec>,
    functions: Vec<Registration>,
    resources: Resources,
    traces: Traces,
    payload_limit: usize,
    allows_remote: bool,
    poll: Option<Duration>,
    invalid: Option<StentError>,
}

impl StentBuilder {
    /// Registers functions: `functions![charge, fulfil]`. May be called more than once.
    pub fn functions(mut self, functions: impl IntoIterator<Item = Registration>) -> Self {
        self.functions.extend(functions);
        self
    }

    /// Adds a value that functions get by its type: `ctx.resource::<Gateway>()`. One value a type: the last one counts.
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// Lets executions belong to the traces of what dispatches them, on every worker that has a trace context: an execution is one trace, over all processes.
    pub fn trace_context(mut self, context: impl TraceContext) -> Self {
        self.traces = Traces::new(context);
        self
    }

    /// Goes by another clock than [`SystemClock`]: one that a test moves.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Stores values by another codec than [`JsonCodec`].
    pub fn codec(mut self, codec: impl Codec) -> Self {
        self.codec = Arc::new(codec);
        self
    }

    /// Bounds one encoded value: 1 byte to 64 MiB, 1 MiB by default. What is larger belongs elsewhere, and its address
    /// here.
    pub fn payload_limit(mut self, bytes: usize) -> Self {
        if !(1..=limits::PAYLOAD_MAX).contains(&bytes) {
            let rule = format!("must be 1 to {} bytes", limits::PAYLOAD_MAX);
            self.invalid.get_or_insert(StentError::invalid("payload_limit", rule));
        }
        self.payload_limit = bytes;
        self
    }

    /// Allows to dispatch functions that are not registered here but in other programs.
    pub fn allow_remote(mut self, allow: bool) -> Self {
        self.allows_remote = allow;
        self
    }

    /// How often clients and workers look for what no hint told of: every second by default, every 5 s if the backend
    /// has hints.
    pub fn poll(mut self, interval: impl IntoDuration) -> Self {
        match positive("poll", interval) {
            Ok(interval) => self.poll = Some(interval),
            Err(error) => {
                self.invalid.get_or_insert(error);
            }
        }
        self
    }

    /// Checks everything and asks the store for a sign of life. Schemas are migrated by the backends when they open.
    ///
    /// # Errors
    /// [`StentError::Registry`], [`StentError::InvalidConfig`], or [`StentError::Backend`] if the store gives no sign
    /// of life.
    pub async fn build(self) -> Result<Stent, StentError> {
        if let Some(invalid) = self.invalid {
            return Err(invalid);
        }
        let registry = Arc::new(Registry::new(self.functions)?);
        let Self { backend, clock, codec, resources, traces, payload_limit, allows_remote, .. } = self;
        patiently(|error| error.is_transient(), || follow(&*backend, &*clock)).await?;
        let has_hints = backend.wake_ups().is_some();
        let poll = self.poll.unwrap_or(if has_hints { settings::POLL_WITH_HINTS } else { settings::POLL });
        let nudges = Arc::new(Nudges::new(has_hints));
        let limits = |patience| BatchLimits { items: 500, weight: 500, patience };
        let standing = Arc::<StandingClaims>::default();
        let dispatcher = Dispatches {
            backend: Arc::clone(&backend),
            clock: Arc::clone(&clock),
            nudges: Arc::clone(&nudges),
            standing: Arc::clone(&standing),
        };
        let program = Program {
            dispatches: Batcher::new(limits(Some(settings::PATIENCE)), dispatcher.clone()),
            statuses: Batcher::new(limits(None), Statuses::new(Arc::clone(&backend))),
            news: News::new(Arc::clone(&backend), Arc::clone(&clock), poll),
            backend,
            clock,
            codec,
            registry,
            resources,
            traces,
            payload_limit,
            allows_remote,
            poll,
            nudges,
            standing,
            dispatcher,
        };
        Ok(Stent { program: Arc::new(program) })
    }
}

impl fmt::Debug for StentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StentBuilder").field("functions", &self.functions).finish_non_exhaustive()
    }
}

/// A duration above zero.
pub(crate) fn positive(field: &'static str, value: impl IntoDuration) -> Result<Duration, StentError> {
    match value.into_duration() {
        Ok(Duration::ZERO) => Err(StentError::invalid(field, "must be longer than zero")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(StentError::invalid(field, format!("cannot be read: {error}"))),
    }
}

/// Repeats a call of the backend over trouble of which `is_repeatable` says so, as long as clients have patience.
pub(crate) async fn patiently<R, F: Future<Output = Result<R, BackendError>>>(
    is_repeatable: fn(&BackendError) -> bool,
    call: impl Fn() -> F,
) -> Result<R, BackendError> {
    let started = Instant::now();
    let mut backoff = Backoff::default();
    loop {
        match call().await {
            Err(error) if is_repeatable(&error) && started.elapsed() < settings::PATIENCE => backoff.wait().await,
            answer => return answer,
        }
    }
}

/// Asks the store for a sign of life, and lets the clock follow it if it has one of its own (C-X2); true if it has.
pub(crate) async fn follow(backend: &dyn Backend, clock: &dyn Clock) -> Result<bool, BackendError> {
    let asked = Instant::now();
    let Some(theirs) = backend.ping().await? else { return Ok(false) };
    // Their answer was made somewhere between; the middle is off by half a round trip at most.
    clock.follow(theirs.after(asked.elapsed() / 2));
    Ok(true)
}
