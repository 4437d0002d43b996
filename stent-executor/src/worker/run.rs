//! One claimed task, from its claim to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use stent_core::claim::ClaimedTask;
use stent_core::failure::Origin;
use stent_core::task::{End, Resume, ResumePoint};
use tracing::Instrument;

use super::claim::worker_lost;
use super::lease::{Held, Revoked};
use super::{Shared, complete};
use crate::activation::{self, Left};
use crate::slots::Slot;
use crate::telemetry::{self, metrics};

/// Drives a claimed task on a task of its own.
pub(super) fn spawn(shared: &Arc<Shared>, task: ClaimedTask, slot: Slot, held: Held) {
    go_on(Active::begin(shared), task, slot, held);
}

/// Drives a task that is counted already on a task of its own.
pub(super) fn go_on(active: Active, task: ClaimedTask, slot: Slot, held: Held) {
    let shared = active.worker();
    let span = telemetry::activation(&task, shared.id, &shared.engine.traces);
    let runtime = active.worker().runtime.clone();
    runtime.spawn(run(active, task, slot, held).instrument(span));
}

/// A claimed task whose end is not known yet.
pub(super) struct Active(Arc<Shared>);

/// Why a claim is left without an end to write.
enum Gone {
    /// Its task is suspended.
    Suspended,
    /// Another has it, or the task has ended.
    Lost,
    Cancelled,
}

impl Active {
    pub(super) fn worker(&self) -> &Arc<Shared> {
        &self.0
    }

    pub(super) fn begin(shared: &Arc<Shared>) -> Self {
        shared.active.send_modify(|active| *active += 1);
        metrics::active(1.0);
        Self(Arc::clone(shared))
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.send_modify(|active| *active -= 1);
        metrics::active(-1.0);
    }
}

async fn run(active: Active, task: ClaimedTask, slot: Slot, mut held: Held) {
    let shared = &active.0;
    let (claim, parent, function) = (task.claim, task.parent, task.function.clone());
    let begun = Instant::now();
    metrics::claimed(&function);
    let end = match refusal(shared, &task) {
        Some(end) => {
            drop(slot);
            Ok(end)
        }
        None => activate(shared, task, slot, &mut held).await,
    };
    let outcome = match end {
        Ok(end) => {
            held.code_ended();
            shared.replays.forget(claim.task);
            let (outcome, is_dead) = (outcome(&end), matches!(end, End::Failed { dead_letter: true, .. }));
            tell(&end);
            let is_applied = complete::end(shared, claim, Some(parent.is_none()), end).await;
            if is_applied && is_dead {
                metrics::dead_letter(&function);
            }
            if is_applied { outcome } else { "lost" }
        }
        Err(Gone::Suspended) => "suspended",
        Err(Gone::Lost) => "lost",
        Err(Gone::Cancelled) => "cancelled",
    };
    metrics::left(&function, outcome, begun.elapsed());
    // Only now: the claim is renewed until its end is known.
    drop(held);
}

/// What an end is called in events and metrics.
fn outcome(end: &End) -> &'static str {
    match end {
        End::Completed { .. } => "completed",
        End::Failed { .. } => "failed",
        End::Retry { .. } => "retried",
        End::Released { .. } => "released",
    }
}

/// An event for each end: what fails is of interest to people, what completes to those who look for it. The class of a failure says what it was; its message
/// may hold what is secret.
fn tell(end: &End) {
    let outcome = outcome(end);
    match end {
        End::Completed { .. } => tracing::debug!(outcome, "the task ends"),
        End::Failed { failure, .. } => tracing::warn!(outcome, class = %failure.class(), "the task ends"),
        End::Retry { at, failure, .. } => tracing::info!(outcome, class = %failure.class(), %at, "the task runs again"),
        End::Released { reason, .. } => tracing::info!(outcome, reason, "the task is given back"),
    }
}

/// The end of a task whose code does not run (C-Y4).
fn refusal(shared: &Shared, task: &ClaimedTask) -> Option<End> {
    let (engine, most) = (&shared.engine, shared.engine.settings.max_deliveries);
    if task.is_fresh && task.attempt > task.retry.max_attempts() {
        let most = task.retry.max_attempts();
        // Claims that give it up count as well, and may be lost in turn.
        let text = format!("its worker was lost in attempt {most} of {most}");
        let failure = worker_lost(task, &text);
        return Some(End::Failed { failure, dead_letter: true, resume: Resume::Restart });
    }
    if !task.is_fresh && task.deliveries >= most {
        let failure = worker_lost(task, &format!("{most} workers in a row were lost before it wrote anything"));
        let resume = Resume::At(ResumePoint::default());
        return Some(End::Failed { failure, dead_letter: true, resume });
    }
    if !shared.is_running() {
        return Some(End::Released { until: None, reason: Some("the worker stopped".into()) });
    }
    if engine.registry.find(&task.function, task.version.as_ref()).is_none() {
        let until = shared.now().after(engine.settings.divergence_delay);
        let reason = format!("function {} is not registered here", task.function);
        return Some(End::Released { until: Some(until), reason: Some(reason) });
    }
    None
}

/// Runs a task's code until it ends, leaves memory or must stop; the end to write, if there is one.
async fn activate(shared: &Arc<Shared>, task: ClaimedTask, slot: Slot, held: &mut Held) -> Result<End, Gone> {
    let (origin, execution) = (Origin::new(task.claim.task, task.function.clone()), task.execution);
    let leave = shared.replays.begin(task.claim.task).unwrap_or_else(|| shared.draining.subscribe());
    let activation = activation::run(Arc::clone(&shared.engine), task, slot, leave);
    let mut activation = Box::pin(AssertUnwindSafe(activation).catch_unwind());
    let ended = held.run(&*shared.engine.clock, activation.as_mut()).await;
    // Here the user's code is dropped, if it has not ended: its destructors may panic.
    let dropped = catch_unwind(AssertUnwindSafe(move || drop(activation)));
    if dropped.is_err() {
        tracing::error!("code panicked while it was dropped");
    }
    match ended {
        Ok(Ok(Left::End(end))) => Ok(end),
        Ok(Ok(Left::Suspended)) => Err(Gone::Suspended),
        Ok(Ok(Left::Lost)) => {
            tracing::info!("the claim was lost before its turn was written");
            shared.engine.news.execution_doubted(execution);
            Err(Gone::Lost)
        }
        Ok(Err(panic)) => {
            let mut failure = activation::panicked(&*panic);
            failure.begin_at(origin);
            Ok(End::Failed { failure, dead_letter: true, resume: Resume::At(ResumePoint::default()) })
        }
        Err(why @ (Revoked::Lost | Revoked::Cancelled)) => {
            tracing::info!(?why, "the claim is gone; the code was stopped");
            shared.engine.news.execution_doubted(execution);
            Err(if why == Revoked::Cancelled { Gone::Cancelled } else { Gone::Lost })
        }
        Err(Revoked::LeaseOver) => Ok(release("the worker did not reach the store in time")),
        Err(Revoked::Stopped) => Ok(release("the worker stopped")),
    }
}

fn release(reason: &str) -> End {
    End::Released { until: None, reason: Some(reason.into()) }
}
