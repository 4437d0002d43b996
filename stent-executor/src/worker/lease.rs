//! Leases: the claims that a worker holds, and until when each of them may be trusted (C-Q2, C-Y4).

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use stent_core::claim::{Claim, ClaimedTask, Renewal};
use stent_core::{Clock, ExecutionId, TaskId, Timestamp};
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
    trust: Arc<Trust>,
    /// Its code may run. An outcome in hand may be committed however late (C-Q2).
    is_running: bool,
    revoke: Option<oneshot::Sender<Revoked>>,
}

/// Until when a claim may be trusted.
#[derive(Debug)]
struct Trust {
    /// In microseconds.
    until: AtomicI64,
    renewed: Notify,
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
    trust: Arc<Trust>,
    revoked: oneshot::Receiver<Revoked>,
}

impl Leases {
    /// Keeps a claim from now on. An older claim of the same task is lost: the store has given the task anew.
    pub(super) fn hold(self: &Arc<Self>, task: &ClaimedTask, until: Timestamp) -> Held {
        let claim = task.claim;
        let (revoke, revoked) = oneshot::channel();
        let trust = Arc::new(Trust::new(until));
        let lease = Lease {
            claim,
            execution: task.execution,
            trust: Arc::clone(&trust),
            is_running: true,
            revoke: Some(revoke),
        };
        if let Some(mut older) = self.held().insert(claim.task, lease) {
            older.revoke(Revoked::Lost);
        }
        self.added.notify_one();
        Held { leases: Arc::clone(self), claim, trust, revoked }
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
                    lease.trust.extend(until);
                    continue;
                }
            };
            lease.revoke(why);
            held.remove(&claim.task);
        }
    }

    /// When the first lease of running code is over.
    pub(super) fn next_end(&self) -> Option<Timestamp> {
        self.held().values().filter(|lease| lease.is_running).map(|lease| lease.trust.until()).min()
    }

    /// True if a claim is late with its renewal: then this worker cannot judge whether those of others have run out.
    pub(super) fn is_late(&self, now: Timestamp) -> bool {
        self.held().values().any(|lease| lease.trust.is_over(now))
    }

    /// Stops the code whose lease is over then.
    pub(super) fn fence(&self, at: Timestamp) {
        self.held().retain(|task, lease| {
            let is_over = lease.is_running && lease.trust.is_over(at);
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

impl Trust {
    fn new(until: Timestamp) -> Self {
        Self { until: AtomicI64::new(until.as_micros()), renewed: Notify::new() }
    }

    fn until(&self) -> Timestamp {
        Timestamp::from_micros(self.until.load(Ordering::SeqCst))
    }

    fn is_over(&self, at: Timestamp) -> bool {
        self.until() <= at
    }

    fn extend(&self, until: Timestamp) {
        self.until.fetch_max(until.as_micros(), Ordering::SeqCst);
        self.renewed.notify_one();
    }

    /// Runs code, but polls it only while the lease is not over by this clock. After a pause of the whole process, nobody knows how long, what was ready to go
    /// on would race its own revocation: it waits until the claim is renewed.
    async fn run<F: Future>(&self, clock: &dyn Clock, mut code: Pin<&mut F>) -> F::Output {
        loop {
            let polled = poll_fn(|context| match self.is_over(clock.now()) {
                true => Poll::Ready(None),
                false => code.as_mut().poll(context).map(Some),
            });
            match polled.await {
                Some(output) => return output,
                None => self.renewed.notified().await,
            }
        }
    }
}

impl Held {
    /// Runs the claim's code until it has ended or must stop.
    pub(super) async fn run<F: Future>(&mut self, clock: &dyn Clock, code: Pin<&mut F>) -> Result<F::Output, Revoked> {
        tokio::select! {
            biased;
            ended = self.trust.run(clock, code) => Ok(ended),
            why = &mut self.revoked => Err(why.unwrap_or(Revoked::Lost)),
        }
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    use futures_util::FutureExt;
    use stent_testkit::clock::ManualClock;

    use super::*;

    const LEASE: Duration = Duration::from_secs(10);

    /// C-Q2, L6: what is ready when a stopped process goes on waits for the renewal, and then goes on.
    #[test]
    fn code_is_not_polled_past_the_end_of_its_lease() {
        let (clock, polls) = (ManualClock::new(Timestamp::EPOCH), AtomicU32::new(0));
        let trust = Trust::new(Timestamp::EPOCH.after(LEASE));
        let code = pin!(poll_fn(|context| {
            context.waker().wake_by_ref();
            match polls.fetch_add(1, Ordering::SeqCst) {
                0 => {
                    clock.advance(LEASE);
                    Poll::Pending
                }
                _ => Poll::Ready("done"),
            }
        }));
        let mut running = pin!(trust.run(&clock, code));
        assert_eq!((&mut running).now_or_never(), None);
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        assert_eq!((&mut running).now_or_never(), None);
        // Too late a renewal is none.
        trust.extend(clock.now());
        assert_eq!((&mut running).now_or_never(), None);
        assert_eq!(polls.load(Ordering::SeqCst), 1);
        trust.extend(clock.now().after(LEASE));
        assert_eq!(running.now_or_never(), Some("done"));
        assert_eq!(polls.load(Ordering::SeqCst), 2);
    }
}
