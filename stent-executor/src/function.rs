//! Durable functions as types: what `#[durable]` makes of an async function.

use std::future::Future;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::Failure;

use crate::context::Ctx;
use crate::private::RetryOptions;

/// A durable function. Implemented by `#[durable]`; the implementing type bears the function's name and is never made.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a durable function",
    note = "mark the function with `#[durable]`, and name it without calling it: `functions![charge]`"
)]
pub trait DurableFunction: Send + Sync + 'static {
    /// The arguments, as one tuple.
    type Args: Serialize + DeserializeOwned + Send + 'static;
    /// The value that it returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Its name and options.
    fn definition() -> FunctionDefinition;

    /// The text that takes the place of the input in its memo key (`key = …`).
    fn memo_key(args: &Self::Args) -> Option<String> {
        let _ = args;
        None
    }

    /// Runs its body.
    fn run(ctx: Ctx, args: Self::Args) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// The name and options of a durable function, as written; checked when it is registered.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FunctionDefinition {
    /// Its stable name.
    pub name: &'static str,
    /// The version of its code.
    pub version: Option<&'static str>,
    /// Earlier names, whose tasks it takes as well.
    pub aliases: Vec<&'static str>,
    /// The queue of its tasks.
    pub queue: Option<&'static str>,
    /// The tags of its tasks.
    pub tags: &'static [&'static str],
    /// The priority of its tasks.
    pub priority: i32,
    /// Its places over all workers.
    pub max_concurrent: Option<u32>,
    /// The time an execution of it may take.
    pub max_duration: Option<Duration>,
    /// What its retry policy changes of the default.
    pub retry: Option<RetryOptions>,
    /// How its results are shared.
    pub memo: MemoOption,
    /// Where it stands in the source: file and line.
    pub location: (&'static str, u32),
}

/// How a function's results are shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MemoOption {
    /// Not at all.
    #[default]
    None,
    /// As long as they last; `None`: for ever.
    Cached(Option<Duration>),
    /// One run for a key.
    Idempotent,
}

impl FunctionDefinition {
    /// A function of this name, with the default options.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            version: None,
            aliases: Vec::new(),
            queue: None,
            tags: &[],
            priority: 0,
            max_concurrent: None,
            max_duration: None,
            retry: None,
            memo: MemoOption::None,
            location: ("", 0),
        }
    }

    /// Sets the version.
    #[must_use]
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = Some(version);
        self
    }

    /// Adds an earlier name.
    #[must_use]
    pub fn alias(mut self, name: &'static str) -> Self {
        self.aliases.push(name);
        self
    }

    /// Sets the queue.
    #[must_use]
    pub fn queue(mut self, queue: &'static str) -> Self {
        self.queue = Some(queue);
        self
    }

    /// Sets the tags.
    #[must_use]
    pub fn tags(mut self, tags: &'static [&'static str]) -> Self {
        self.tags = tags;
        self
    }

    /// Sets the priority.
    #[must_use]
    pub fn priority(mut self, priority: i32) -> Self {
        self.priority = priority;
        self
    }

    /// Sets the places over all workers.
    #[must_use]
    pub fn max_concurrent(mut self, places: u32) -> Self {
        self.max_concurrent = Some(places);
        self
    }

    /// Sets the time an execution may take.
    #[must_use]
    pub fn max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = Some(duration);
        self
    }

    /// Sets the retry options.
    #[must_use]
    pub fn retry(mut self, retry: RetryOptions) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Shares results while they last.
    #[must_use]
    pub fn cached(mut self, ttl: Option<Duration>) -> Self {
        self.memo = MemoOption::Cached(ttl);
        self
    }

    /// Runs once for a key.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.memo = MemoOption::Idempotent;
        self
    }

    /// Sets where it stands in the source.
    #[must_use]
    pub fn located(mut self, file: &'static str, line: u32) -> Self {
        self.location = (file, line);
        self
    }
}
