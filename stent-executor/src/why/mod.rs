//! Why an execution or a task is not running: one line that an operator can act on, and the same as data.

mod explain;

use std::fmt;

use stent_core::name::{FunctionName, QueueName, SignalName, Tag, Version};
use stent_core::task::TaskState;
use stent_core::{ExecutionId, Failure, TaskId, Timestamp, WorkerId};

/// Why one task is where it is. Its `Display` is one line.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The task.
    pub task: TaskId,
    /// Its execution.
    pub execution: ExecutionId,
    /// Its function.
    pub function: FunctionName,
    /// Its state.
    pub state: TaskState,
    /// Why.
    pub why: Why,
}

/// Why a task is not running, or where it runs.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Why {
    /// A worker has it: its code runs, or rests in memory for a while.
    Running {
        /// The worker.
        worker: WorkerId,
        /// Which attempt it is.
        attempt: u32,
    },
    /// The worker that had it was not heard of in time; the next claim takes it over.
    Lost {
        /// The worker.
        worker: WorkerId,
        /// When its lease ran out.
        since: Timestamp,
    },
    /// It waits in the store, for the first of these.
    Waiting {
        /// Signals, and since when it waits for each.
        signals: Vec<(SignalName, Timestamp)>,
        /// A timer: of a sleep, or of the timeout of another wait.
        until: Option<Timestamp>,
        /// Open children.
        children: u64,
    },
    /// It is not due.
    Scheduled {
        /// When it is.
        until: Timestamp,
    },
    /// It failed and is retried.
    Retrying {
        /// When.
        at: Timestamp,
        /// The attempt that failed.
        attempt: u32,
        /// How.
        failure: Failure,
    },
    /// Its code does not fit its journal; it is tried again, and goes on when a worker has code that fits (C-R4).
    Diverged {
        /// When it is tried again.
        until: Timestamp,
        /// What was recorded and what was made.
        difference: String,
    },
    /// It was given back by a worker.
    Released {
        /// When it is tried again.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// No live worker may take it.
    NoWorker(NoWorker),
    /// All places of its function are held (C-Q3).
    LimitReached {
        /// How many there are.
        max_concurrent: u32,
        /// How many are held.
        held: u32,
    },
    /// A worker may take it at any moment: others are before it, or all slots are busy.
    Ready {
        /// Since when.
        since: Timestamp,
        /// Live workers that may take it.
        workers: usize,
    },
    /// It has ended.
    Ended {
        /// When.
        at: Timestamp,
        /// Its failure, if it failed.
        failure: Option<Failure>,
    },
}

/// What no live worker has that a task needs (C-R7, C-Q1). Workers that drain take nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoWorker {
    /// No worker is live at all.
    Live,
    /// None has the function.
    Function {
        /// Live workers.
        live: usize,
    },
    /// Some have the function, but not in the pinned version.
    Version {
        /// The version that it needs; `None` if it needs the unversioned one.
        needed: Option<Version>,
        /// The versions that there are.
        there: Vec<Option<Version>>,
    },
    /// None of those that have the function serves its queue.
    Queue(QueueName),
    /// None of those shares one of its tags.
    Tags(Vec<Tag>),
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.function, self.task, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { worker, attempt } => write!(f, "runs on worker {worker}, attempt {attempt}"),
            Self::Lost { worker, since } => {
                write!(f, "is taken over by the next claim: worker {worker} was not heard of until {since}")
            }
            Self::Waiting { signals, until, children } => waiting(f, signals, *until, *children),
            Self::Scheduled { until } => write!(f, "is not due before {until}"),
            Self::Retrying { at, attempt, failure } => {
                write!(f, "is tried again at {at}, after attempt {attempt} failed: {failure}")
            }
            Self::Diverged { until, difference } => {
                write!(f, "does not fit its journal and is tried again at {until}: {difference}")
            }
            Self::Released { until, reason } => write!(f, "was given back and is tried again at {until}: {reason}"),
            Self::NoWorker(reason) => write!(f, "waits for a worker: {reason}"),
            Self::LimitReached { max_concurrent, held } => {
                write!(f, "waits for a place: {held} of {max_concurrent} are held")
            }
            Self::Ready { since, workers } => {
                write!(f, "is ready since {since} for any of {workers} live workers")
            }
            Self::Ended { at, failure: None } => write!(f, "ended at {at}"),
            Self::Ended { at, failure: Some(failure) } => write!(f, "failed at {at}: {failure}"),
        }
    }
}

fn waiting(
    f: &mut fmt::Formatter<'_>,
    signals: &[(SignalName, Timestamp)],
    until: Option<Timestamp>,
    children: u64,
) -> fmt::Result {
    let mut parts: Vec<String> =
        signals.iter().map(|(name, since)| format!("for signal {name} since {since}")).collect();
    match children {
        0 => {}
        1 => parts.push("for a child".to_owned()),
        more => parts.push(format!("for {more} children")),
    }
    match until {
        Some(until) if parts.is_empty() => return write!(f, "sleeps until {until}"),
        Some(until) => parts.push(format!("until {until} at the latest")),
        None if parts.is_empty() => return f.write_str("is woken at any moment"),
        None => {}
    }
    write!(f, "waits {}", parts.join(", "))
}

impl fmt::Display for NoWorker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |version: &Option<Version>| version.as_ref().map_or("no version".to_owned(), ToString::to_string);
        match self {
            Self::Live => f.write_str("none is live"),
            Self::Function { live } => write!(f, "none of {live} live ones has the function"),
            Self::Version { needed, there } => {
                let there: Vec<_> = there.iter().map(name).collect();
                write!(f, "live ones have the function as {}, none as {}", there.join(", "), name(needed))
            }
            Self::Queue(queue) => write!(f, "no live one that has the function serves queue {queue}"),
            Self::Tags(tags) => {
                let tags: Vec<_> = tags.iter().map(ToString::to_string).collect();
                write!(f, "no live one that has the function shares a tag with {}", tags.join(", "))
            }
        }
    }
}
