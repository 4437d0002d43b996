//! Activations: one run of a task's function on a worker, driven by turns (C-R5).
//!
//! [`run`] loads the journal and polls the function until it is quiet. A [replay] runs through the written turns; then the [live] loop writes what turns make, starts
//! it, and gives outcomes one by one, until the function [ends](end), is [suspended](suspend), or loses its claim.

mod end;
mod events;
mod journal;
mod live;
mod map;
mod operation;
mod poll;
#[cfg(test)]
mod programs;
mod queue;
mod reopened;
mod replay;
mod reserve;
mod residence;
mod results;
mod signals;
mod suspend;
mod turn;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stent_core::claim::ClaimedTask;
use stent_core::error::BackendError;
use stent_core::operation::OperationId;
use stent_core::retry::ErrorClass;
use stent_core::task::End;
use stent_core::{Failure, Fingerprint, Payload, TaskId};
use tokio::sync::watch;

pub(crate) use journal::Recorded;
pub(crate) use operation::{Answer, Ask, Given, Mode, Operation, Phase, Request, Shared, StepEvent};
pub(crate) use poll::{RootWake, StepWake, panicked};
pub(crate) use residence::{Divergences, ForeignAwaits, Residents};

use crate::backoff::Backoff;
use crate::context::Ctx;
use crate::control::{Rule, breaks};
use crate::engine::Engine;
use crate::registry::Known;
use crate::slots::Slot;
use journal::Divergence;
use turn::Driver;

/// How an activation was left.
#[derive(Debug)]
pub(crate) enum Left {
    /// Its claim is to be ended so.
    End(End),
    /// It is suspended in the store.
    Suspended,
    /// Its claim is lost; nothing more may be written.
    Lost,
}

/// What stops a driver before its function has returned.
#[derive(Debug)]
pub(crate) enum Stop {
    Lost,
    Diverged(Divergence),
    Trouble(BackendError),
    Failed(Failure),
}

impl From<BackendError> for Stop {
    fn from(error: BackendError) -> Self {
        Self::Trouble(error)
    }
}

impl From<Divergence> for Stop {
    fn from(divergence: Divergence) -> Self {
        Self::Diverged(divergence)
    }
}

/// One run of a task's function: what its context, its operations and its driver share.
pub(crate) struct Activation {
    pub(crate) engine: Arc<Engine>,
    pub(crate) task: ClaimedTask,
    pub(crate) known: Arc<Known>,
    pub(crate) wake: Arc<RootWake>,
    shared: Mutex<Shared>,
}

impl Activation {
    /// The shared part. It is never held while user code runs.
    pub(crate) fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The child that an operation makes.
    pub(crate) fn child(&self, operation: &OperationId, index: Option<u32>) -> TaskId {
        // A child of the claim would be another one in every activation.
        let claim = self.task.claim;
        let parent = if breaks(Rule::ChildIdentity) { TaskId::from_bytes(*claim.token.as_bytes()) } else { claim.task };
        TaskId::child(parent, self.task.generation, operation, index)
    }
}

/// Runs a claimed task until its claim is to be given up.
pub(crate) async fn run(engine: Arc<Engine>, task: ClaimedTask, slot: Slot, draining: watch::Receiver<bool>) -> Left {
    let Some(known) = engine.registry.find(&task.function, task.version.as_ref()).cloned() else {
        return Left::End(End::Released { until: None, reason: Some(format!("no function {} here", task.function)) });
    };
    let (claim, started) = (task.claim, task.journal_started_at);
    let slot = match reserve::reserve(&engine, &task, &known, slot, draining.clone()).await {
        Ok(Ok(slot)) => slot,
        Ok(Err(left)) => return left,
        Err(error) => return given_back(&engine, &error),
    };
    let activation = Arc::new(Activation {
        engine: Arc::clone(&engine),
        task,
        known,
        wake: Arc::new(RootWake::default()),
        shared: Mutex::new(Shared::new(started)),
    });
    let stop = match load(&activation).await {
        Ok(recorded) => match activation.known.run(Ctx::new(Arc::clone(&activation)), &activation.task.input) {
            Ok(future) => match Driver::new(Arc::clone(&activation), future, recorded, slot, draining).drive().await {
                Ok(left) => return left,
                Err(stop) => stop,
            },
            Err(error) => Stop::Failed(crate::codec::corrupt(&error)),
        },
        Err(error) => Stop::Trouble(error),
    };
    match stop {
        Stop::Lost => Left::Lost,
        Stop::Diverged(divergence) => {
            let wait = engine.divergences.next(claim.task, &engine.settings);
            let reason = format!("{}: {divergence}", ErrorClass::NONDETERMINISM);
            tracing::warn!(task = %claim.task, function = %activation.known.name, %reason, "the code does not fit the journal; the task waits for code that does");
            Left::End(End::Released { until: Some(engine.clock.now().after(wait)), reason: Some(reason) })
        }
        Stop::Trouble(error) if matches!(error.kind(), stent_core::error::ErrorKind::CorruptRow { .. }) => {
            Left::End(end::broken(&activation, Failure::new(ErrorClass::corrupt_row(), error.to_string())))
        }
        Stop::Trouble(error) => given_back(&engine, &error),
        Stop::Failed(failure) => Left::End(end::broken(&activation, failure)),
    }
}

/// Gives a task back that the store's trouble kept from running.
fn given_back(engine: &Engine, error: &BackendError) -> Left {
    let until = engine.clock.now().after(Duration::from_secs(1));
    Left::End(End::Released { until: Some(until), reason: Some(error.to_string()) })
}

impl Engine {
    /// Reads from the store, again and again while it is out of reach: an outage is no failure of the task (C-Y4). The claim's end stops this.
    pub(crate) async fn patiently<T, F>(&self, mut read: impl FnMut() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let mut backoff = Backoff::default();
        loop {
            match read().await {
                Err(error) if error.is_transient() => backoff.wait().await,
                read => return read,
            }
        }
    }

    /// The shared results under these keys.
    pub(crate) async fn recall(&self, keys: &[Fingerprint]) -> Result<Vec<Option<Payload>>, BackendError> {
        self.patiently(|| self.backend.recall(self.clock.now(), keys)).await
    }
}

/// Loads the journal, unless the claim said that there is none.
async fn load(activation: &Activation) -> Result<Recorded, BackendError> {
    let task = &activation.task;
    if task.is_fresh {
        return Ok(Recorded::default());
    }
    let engine = &activation.engine;
    let loaded = engine.patiently(|| engine.backend.load(task.claim.task, task.generation)).await?;
    Ok(Recorded::new(loaded))
}
