//! Calls of functions by their names: for tools that do not have their code.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use stent_core::execution::NewExecution;
use stent_core::limits;
use stent_core::name::{DedupKey, FunctionName, QueueName, Tag, Version};
use stent_core::retry::RetryPolicy;
use stent_core::task::NewTask;
use stent_core::{Clock, ExecutionId};

use tracing::Instrument as _;

use crate::codec::{self, Codec, CodecError};
use crate::dispatch::Execution;
use crate::error::StentError;
use crate::options::InvalidCall;
use crate::stent::Stent;
use crate::telemetry;

/// A durable function that other programs have, to be called by its name.
///
/// What the function was marked with is in those programs and unknown here: the options are those of this call alone, and its result is not
/// shared (C-K1). Who has the function itself dispatches a [`Call`](crate::Call) of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NamedCall {
    /// The function.
    pub function: FunctionName,
    /// The version that the task is pinned to; `None`: it is for the unversioned function or the newest version.
    pub version: Option<Version>,
    /// The queue: only workers that serve it, or all queues, take the task (C-Q1).
    pub queue: Option<QueueName>,
    /// The tags (C-Q1); at most [`limits::TAGS`].
    pub tags: Vec<Tag>,
    /// High goes first.
    pub priority: i32,
    /// Starts the task no earlier than this from now.
    pub delay: Duration,
    /// Bounds the time of the execution, counted from its scheduled start (C-T3); zero: no bound.
    pub max_duration: Duration,
    /// How it is retried (C-Y1).
    pub retry: RetryPolicy,
    /// A key that one execution bears: a second dispatch finds the first (C-K3).
    pub dedup: Option<DedupKey>,
}

impl NamedCall {
    /// A call of this function, with the default options.
    #[must_use]
    pub fn new(function: FunctionName) -> Self {
        Self {
            function,
            version: None,
            queue: None,
            tags: Vec::new(),
            priority: 0,
            delay: Duration::ZERO,
            max_duration: Duration::ZERO,
            retry: RetryPolicy::default(),
            dedup: None,
        }
    }

    fn into_execution<A: Serialize + ?Sized>(
        self,
        arguments: &A,
        clock: &dyn Clock,
        codec: &dyn Codec,
        limit: usize,
        trace: Option<Arc<str>>,
    ) -> Result<NewExecution, InvalidCall> {
        if self.tags.len() > limits::TAGS {
            return Err(InvalidCall::Tags { count: self.tags.len() });
        }
        let refused = |error| InvalidCall::Arguments { function: self.function.to_string(), error };
        if !serde_json::to_value(arguments).is_ok_and(|value| value.is_array()) {
            let reason = "they are no tuple with one field for each argument";
            return Err(refused(CodecError::Encode(reason.to_owned())));
        }
        let now = clock.now();
        let task = NewTask {
            input: codec::encode(codec, limit, arguments).map_err(refused)?,
            fingerprint: codec::fingerprint(&self.function, self.version.as_ref(), arguments).map_err(refused)?,
            function: self.function,
            version: self.version,
            queue: self.queue,
            tags: self.tags.into(),
            priority: self.priority,
            due: now.after(self.delay),
            retry: Arc::new(self.retry),
            max_concurrent: None,
            memo: None,
            trace,
            claim: None,
        };
        let max_duration = (!self.max_duration.is_zero()).then_some(self.max_duration);
        Ok(NewExecution { id: ExecutionId::new(now), task, max_duration, dedup: self.dedup, born: None })
    }
}

impl Stent {
    /// Dispatches a call of a function by its name, whoever has it: nobody sees here whether the arguments, a tuple or list with one entry
    /// for each, are such that it takes. A worker that cannot read them fails the task.
    ///
    /// ```no_run
    /// use stent_executor::{FunctionName, NamedCall, Stent};
    ///
    /// # async fn example(stent: Stent) -> stent_executor::Result<()> {
    /// let mut call = NamedCall::new(FunctionName::new("shop::greet")?);
    /// call.priority = 10;
    /// let greeting: String = stent.dispatch_named(call, &("Ada",)).await?.result().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Stent::dispatch`].
    pub async fn dispatch_named<A, T>(&self, call: NamedCall, arguments: &A) -> Result<Execution<T>, StentError>
    where
        A: Serialize + ?Sized,
    {
        let program = &self.program;
        let span = telemetry::dispatch(&call.function);
        let new = {
            let (codec, limit, _entered) = (&*program.codec, program.payload_limit, span.enter());
            call.into_execution(arguments, &*program.clock, codec, limit, program.traces.current())?
        };
        let id = new.id;
        telemetry::dispatched(&span, id);
        let dispatched = program.dispatches.submit(new).instrument(span).await?;
        self.dispatched(id, dispatched)
    }
}
