//! What is told of what happens here: spans and events by `tracing`, the trace that a task belongs to, and metrics. Names and ids, never payloads.

pub(crate) mod metrics;
mod trace;

use futures_util::future::BoxFuture;
use stent_core::claim::ClaimedTask;
use stent_core::{ExecutionId, WorkerId};
use tracing::{Instrument as _, Span};

pub use trace::TraceContext;
pub(crate) use trace::Traces;

/// The span of dispatches of a function: from its call to its commit.
pub(crate) fn dispatch(function: &str) -> Span {
    tracing::info_span!("dispatch", function, execution = tracing::field::Empty)
}

/// Names the execution that a span of a dispatch made.
pub(crate) fn dispatched(span: &Span, execution: ExecutionId) {
    span.record("execution", tracing::field::display(execution));
}

/// The span of one claim of a task: its activation and the commit of its end. It belongs to the trace of what made the task.
pub(crate) fn activation(task: &ClaimedTask, worker: WorkerId, traces: &Traces) -> Span {
    let span = tracing::info_span!(
        "activation",
        execution = %task.execution,
        task = %task.claim.task,
        function = %task.function,
        attempt = task.attempt,
        generation = task.generation,
        %worker,
    );
    traces.resume(&span, task.trace.as_deref());
    span
}

/// Begins to run a step's code within a span of its own, if anybody has an eye on it.
pub(crate) fn step<'a, T>(name: &str, attempt: u32, code: impl FnOnce() -> BoxFuture<'a, T>) -> BoxFuture<'a, T>
where
    T: 'a,
{
    let span = tracing::info_span!("step", name, attempt);
    if span.is_disabled() {
        return code();
    }
    Box::pin(span.in_scope(code).instrument(span.clone()))
}

/// The span of a worker's own work: claims, renewals, maintenance.
pub(crate) fn worker(worker: WorkerId) -> Span {
    tracing::info_span!("worker", %worker)
}
