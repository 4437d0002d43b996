//! What is told to `tracing`: names and ids, never payloads.

use stent_core::WorkerId;
use stent_core::claim::ClaimedTask;
use tracing::Span;

/// The span of one claim of a task: its activation and the commit of its end.
pub(crate) fn activation(task: &ClaimedTask) -> Span {
    tracing::info_span!(
        "activation",
        execution = %task.execution,
        task = %task.claim.task,
        function = %task.function,
        attempt = task.attempt,
        generation = task.generation,
    )
}

/// The span of a worker's own work: claims, renewals, maintenance.
pub(crate) fn worker(worker: WorkerId) -> Span {
    tracing::info_span!("worker", %worker)
}
