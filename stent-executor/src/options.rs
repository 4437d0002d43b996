//! Calls: durable functions with their arguments and options, not yet run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use stent_core::execution::NewExecution;
use stent_core::limits;
use stent_core::memo::{Memo, MemoMode};
use stent_core::name::{DedupKey, InvalidName, QueueName, Tag};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::time::{DurationTextError, IntoDuration};
use stent_core::{ExecutionId, Timestamp};

use crate::codec::{self, Codec, CodecError};
use crate::function::{DurableFunction, MemoOption};
use crate::registry::Known;

/// A durable function with its arguments, not yet run: dispatch it, or give it to `ctx.call` or `ctx.map`.
///
/// Its options take the place of those that the function was marked with. An invalid option is an error where the call is used.
#[must_use = "a call does nothing until it is dispatched or given to a context"]
pub struct Call<F: DurableFunction> {
    args: F::Args,
    options: Option<Box<Options>>,
}

/// A call that cannot be made. Nothing was stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// A name or key breaks a rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A duration cannot be read.
    #[error("invalid {field}: {error}")]
    Duration {
        /// Which option.
        field: &'static str,
        /// What is wrong.
        error: DurationTextError,
    },
    /// More tags than allowed.
    #[error("{count} tags are too many: at most {} are allowed", limits::TAGS)]
    Tags {
        /// How many.
        count: usize,
    },
    /// The arguments cannot be encoded.
    #[error("the arguments of {function} cannot be encoded: {error}")]
    Arguments {
        /// The function.
        function: String,
        /// What is wrong.
        error: CodecError,
    },
    /// This program does not have the function.
    #[error("no function {name} is registered{}; add it to functions![…], or allow calls of functions that other programs have", nearest(.known))]
    UnknownFunction {
        /// Its name.
        name: String,
        /// At most ten registered names, the most alike first.
        known: Vec<String>,
    },
}

fn nearest(known: &[String]) -> String {
    if known.is_empty() { String::new() } else { format!(" (registered: {})", known.join(", ")) }
}

#[derive(Default)]
struct Options {
    queue: Option<QueueName>,
    tags: Option<Arc<[Tag]>>,
    priority: Option<i32>,
    delay: Option<Duration>,
    max_duration: Option<Option<Duration>>,
    retry: Option<Arc<RetryPolicy>>,
    dedup: Option<DedupKey>,
    invalid: Option<InvalidCall>,
}

impl<F: DurableFunction> Call<F> {
    /// A call with these arguments and no options of its own. What `#[durable]` functions return.
    pub fn new(args: F::Args) -> Self {
        Self { args, options: None }
    }

    /// Sets the queue: only workers that serve it, or all queues, take the task (C-Q1).
    pub fn queue(self, queue: impl AsRef<str>) -> Self {
        self.set(|options| {
            let _: () = options.queue = Some(QueueName::new(queue)?);
            Ok(())
        })
    }

    /// Sets the tags (C-Q1).
    pub fn tags<T: AsRef<str>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        self.set(|options| {
            let tags = tags.into_iter().map(Tag::new).collect::<Result<Arc<[_]>, _>>()?;
            if tags.len() > limits::TAGS {
                return Err(InvalidCall::Tags { count: tags.len() });
            }
            let _: () = options.tags = Some(tags);
            Ok(())
        })
    }

    /// Sets the priority; high goes first.
    pub fn priority(self, priority: i32) -> Self {
        self.set(|options| {
            let _: () = options.priority = Some(priority);
            Ok(())
        })
    }

    /// Starts the task no earlier than this from now.
    pub fn delay(self, delay: impl IntoDuration) -> Self {
        self.set(|options| {
            let _: () = options.delay = Some(duration("delay", delay)?);
            Ok(())
        })
    }

    /// Bounds the time of the execution, counted from its scheduled start (C-T3). Zero takes the bound away. Children ignore it: theirs is
    /// their execution's.
    pub fn max_duration(self, bound: impl IntoDuration) -> Self {
        self.set(|options| {
            let bound = duration("max_duration", bound)?;
            let _: () = options.max_duration = Some((!bound.is_zero()).then_some(bound));
            Ok(())
        })
    }

    /// Sets the retry policy.
    pub fn retry(self, policy: RetryPolicy) -> Self {
        self.set(|options| {
            let _: () = options.retry = Some(Arc::new(policy));
            Ok(())
        })
    }

    /// Gives the dispatch a key that one execution bears: a second dispatch finds the first (C-K3). Children ignore it.
    pub fn dedup(self, key: impl AsRef<str>) -> Self {
        self.set(|options| {
            let _: () = options.dedup = Some(DedupKey::new(key)?);
            Ok(())
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Options) -> Result<(), InvalidCall>) -> Self {
        let options = self.options.get_or_insert_default();
        if let Err(error) = change(options) {
            options.invalid.get_or_insert(error);
        }
        self
    }

    /// The task that this call becomes, as part of this trace.
    pub(crate) fn into_task(
        self,
        known: &Known,
        now: Timestamp,
        codec: &dyn Codec,
        limit: usize,
        trace: Option<Arc<str>>,
    ) -> Result<NewTask, InvalidCall> {
        self.into_parts(known, now, codec, limit, trace).map(|(task, _)| task)
    }

    /// The execution that this call becomes, as part of this trace.
    pub(crate) fn into_execution(
        self,
        known: &Known,
        now: Timestamp,
        codec: &dyn Codec,
        limit: usize,
        trace: Option<Arc<str>>,
    ) -> Result<NewExecution, InvalidCall> {
        let (task, options) = self.into_parts(known, now, codec, limit, trace)?;
        Ok(NewExecution {
            id: ExecutionId::new(now),
            task,
            max_duration: options.max_duration.unwrap_or(known.max_duration),
            dedup: options.dedup,
            born: None,
        })
    }

    fn into_parts(
        self,
        known: &Known,
        now: Timestamp,
        codec: &dyn Codec,
        limit: usize,
        trace: Option<Arc<str>>,
    ) -> Result<(NewTask, Options), InvalidCall> {
        let mut options = self.options.map(|options| *options).unwrap_or_default();
        if let Some(error) = options.invalid.take() {
            return Err(error);
        }
        let refused = |error| InvalidCall::Arguments { function: known.name.to_string(), error };
        let fingerprint = codec::fingerprint(&known.name, known.version.as_ref(), &self.args).map_err(refused)?;
        let memo_key = || match F::memo_key(&self.args) {
            Some(key) => codec::fingerprint(&known.name, known.version.as_ref(), &key).map_err(refused),
            None => Ok(fingerprint),
        };
        let memo = match known.memo {
            MemoOption::None => None,
            MemoOption::Cached(ttl) => Some(Memo { key: memo_key()?, mode: MemoMode::Cached { ttl } }),
            MemoOption::Idempotent => Some(Memo { key: memo_key()?, mode: MemoMode::Idempotent }),
        };
        let task = NewTask {
            function: known.name.clone(),
            version: known.version.clone(),
            input: codec::encode(codec, limit, &self.args).map_err(refused)?,
            fingerprint,
            queue: options.queue.take().or_else(|| known.queue.clone()),
            tags: options.tags.take().unwrap_or_else(|| known.tags.clone()),
            priority: options.priority.unwrap_or(known.priority),
            due: options.delay.map_or(now, |delay| now.after(delay)),
            retry: options.retry.take().unwrap_or_else(|| known.retry.clone()),
            max_concurrent: known.max_concurrent,
            memo,
            trace,
            claim: None,
        };
        Ok((task, options))
    }
}

fn duration(field: &'static str, value: impl IntoDuration) -> Result<Duration, InvalidCall> {
    value.into_duration().map_err(|error| InvalidCall::Duration { field, error })
}

impl<F: DurableFunction> fmt::Debug for Call<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", F::definition().name)
    }
}
