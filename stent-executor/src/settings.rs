//! What a worker may be told, and the defaults of it.

use std::num::NonZero;
use std::time::Duration;

use stent_core::limits;

/// Tasks that one worker may run at once, at most.
pub(crate) const CONCURRENCY_MAX: usize = 10_000;
/// How long client calls are repeated over an outage before they answer with its error.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks for news where hints tell of most.
pub(crate) const POLL_WITH_HINTS: Duration = Duration::from_secs(5);
/// Between two looks for news where nothing else tells of it.
pub(crate) const POLL: Duration = Duration::from_secs(1);

/// What the activations of a worker go by; checked when the worker starts.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Tasks whose code runs at once.
    pub(crate) concurrency: usize,
    /// Bytes of one encoded value.
    pub(crate) payload_limit: usize,
    /// How long a claim holds unless renewed. Longer survives longer stalls; shorter takes over sooner.
    pub(crate) lease: Duration,
    /// Between two looks for tasks and news.
    pub(crate) poll: Duration,
    /// How long a task that only waits stays in memory: a wait that is over before costs no claim and no replay (C-Q4).
    pub(crate) suspend_after: Duration,
    /// How often a task leaves memory as soon as it only waits, its first times: for tests.
    pub(crate) early_replays: u32,
    /// Waiting tasks in memory beyond which the longest waiting leaves at once (C-Q4).
    pub(crate) max_resident: usize,
    /// Items of a chunk of a map (C-M1).
    pub(crate) chunk: u32,
    /// Claims in a row that ran out without a new entry, after which a task is given up (C-Y4).
    pub(crate) max_deliveries: u32,
    /// How long a replay waits for what its function awaits outside of its context (C-R8).
    pub(crate) replay_patience: Duration,
    /// Whether to await something outside of the context is a failure, and no mere warning (C-R8).
    pub(crate) strict: bool,
    /// The first delay of a task whose code does not fit its journal; it doubles (C-R4).
    pub(crate) divergence_delay: Duration,
    /// The longest such delay.
    pub(crate) divergence_delay_max: Duration,
    /// After how long a task that found its key held asks again without a hint (C-K2).
    pub(crate) held_retry: Duration,
    /// How long running tasks may take to finish when the worker drains (C-X4).
    pub(crate) drain_grace: Duration,
    /// How long ended executions are kept; `None`: for ever (C-X3).
    pub(crate) retention: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            concurrency: 4 * std::thread::available_parallelism().map_or(1, NonZero::get),
            payload_limit: limits::PAYLOAD,
            lease: Duration::from_secs(10),
            poll: POLL,
            suspend_after: Duration::from_secs(10),
            early_replays: 0,
            max_resident: 1_000,
            chunk: 1_000,
            max_deliveries: 5,
            replay_patience: Duration::from_secs(10),
            strict: false,
            divergence_delay: Duration::from_secs(1),
            divergence_delay_max: Duration::from_secs(5 * 60),
            held_retry: Duration::from_secs(5),
            drain_grace: Duration::from_secs(30),
            retention: Some(Duration::from_secs(7 * 24 * 60 * 60)),
        }
    }
}
