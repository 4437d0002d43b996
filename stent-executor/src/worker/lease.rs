//! Leases: the claims that a worker holds, and until when each of them may be trusted (C-Q2, C-Y4).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stent_core::claim::{Claim, ClaimedTask, Renewal};
use stent_core::{ExecutionId, TaskId, Timestamp};
use tokio::sync::{Notify, oneshot};

use crate::control::{Rule, breaks};

/// The claims that a worker holds.
#[derive(Debug, Default)]
pub(super) struct Leases {
    held: Mutex<HashMap<TaskId, Lease>>,
    added: Notify,
}

#[derive(Debug)]
struct Lease {
    claim: Claim,
    execution: ExecutionId,
    until: Timestamp,
    /// Its code may run. An outcome in hand may be committed however late (C-Q2).
    is_running: bool,
    revoke: Option<oneshot::Sender<Revoked>>,
}

/// Why a claim's code must stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revoked {
    /// Another has the task, or it has ended: nothing more is written.
    Lost,
    /// Its execution was cancelled: nothing more is written.
    Cancelled,
    /// It was not renewed in time: it is released when the store is back (C-Y4).
    LeaseOver,
    /// The worker stops: it is released.
    Stopped,
}

/// A claim that is renewed while this is kept.
#[derive(Debug)]
pub(super) struct Held {
    leases: Arc<Leases>,
    claim: Claim,
    revoked: oneshot::Receiver<Revoked>,
}

impl Leases {
    /// Keeps a claim from now on. An older claim of the same task is lost: the store has given the task anew.
    pub(super) fn hold(self: &Arc<Self>, task: &ClaimedTask, until: Timestamp) -> Held {
        let claim = task.claim;
        let (revoke, revoked) = oneshot::channel();
        let lease = Lease { claim, execution: task.execution, until, is_running: true, revoke: Some(revoke) };
        if let Some(mut older) = self.held().insert(claim.task, lease) {
            older.revoke(Revoked::Lost);
        }
        self.added.notify_one();
        Held { leases: Arc::clone(self), claim, revoked }
    }

    /// What is to be renewed.
    pub(super) fn claims(&self) -> Vec<Claim> {
        self.held().values().map(|lease| lease.claim).collect()
    }

    /// True if code of this execution runs here.
    pub(super) fn runs(&self, execution: ExecutionId) -> bool {
        self.held().values().any(|lease| lease.is_running && lease.execution == execution)
    }

    /// True if the code of this task runs here.
    pub(super) fn runs_task(&self, task: TaskId) -> bool {
        self.held().get(&task).is_some_and(|lease| lease.is_running)
    }

    /// Takes in the answers of a renewal until then.
    pub(super) fn renewed(&self, claims: &[Claim], answers: &[Renewal], until: Timestamp) {
        let mut held = self.held();
        for (claim, answer) in claims.iter().zip(answers) {
            let Some(lease) = held.get_mut(&claim.task).filter(|lease| lease.claim == *claim) else { continue };
            let why = match answer {
                Renewal::Lost if !breaks(Rule::LostClaims) => Revoked::Lost,
                Renewal::Cancelled => Revoked::Cancelled,
                Renewal::Renewed | Renewal::Lost => {
                    lease.until = lease.until.max(until);
                    continue;
                }
            };
            lease.revoke(why);
            held.remove(&claim.task);
        }
    }

    /// When the first lease of running code is over.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.held().values().filter(|lease| lease.is_running).map(|lease| lease.until).min()
    }

    /// True if a claim is late with its renewal: then this worker cannot judge whether those of others have run out.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        self.held().values().any(|lease| lease.until <= now)
    }

    /// Stops the code whose lease is over then.
    pub(super) fn fence(&self, at: Timestamp) {
        self.held().retain(|task, lease| {
            let is_over = lease.is_running && lease.until <= at;
            if is_over {
                tracing::warn!(%task, "the claim was not renewed in time; its code stops");
                lease.revoke(Revoked::LeaseOver);
            }
            !is_over
        });
    }

    /// Stops all code; answers with how many tasks that were.
    pub(super) fn stop(&self) -> usize {
        let mut held = self.held();
        let running = held.values_mut().filter(|lease| lease.is_running);
        running.map(|lease| lease.revoke(Revoked::Stopped)).filter(|is_first| *is_first).count()
    }

    /// Waits until a claim is added.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn held(&self) -> MutexGuard<'_, HashMap<TaskId, Lease>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lease {
    /// True if it was not revoked before.
    fn revoke(&mut self, why: Revoked) -> bool {
        // Nobody listens any more once the code has ended.
        self.revoke.take().is_some_and(|revoke| revoke.send(why).is_ok())
    }
}

impl Held {
    /// Waits until the claim's code must stop.
    pub(super) async fn revoked(&mut self) -> Revoked {
        (&mut self.revoked).await.unwrap_or(Revoked::Lost)
    }

    /// The code has ended and its outcome is in hand: the lease's end does not stop the commit.
    pub(super) fn code_ended(&self) {
        let mut held = self.leases.held();
        if let Some(lease) = held.get_mut(&self.claim.task).filter(|lease| lease.claim == self.claim) {
            lease.is_running = false;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self.leases.held();
        if held.get(&self.claim.task).is_some_and(|lease| lease.claim == self.claim) {
            held.remove(&self.claim.task);
        }
    }
}
