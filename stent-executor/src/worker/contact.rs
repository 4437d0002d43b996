//! Whether the store could be reached of late, by whatever this worker asked it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stent_core::Timestamp;
use tokio::sync::watch;

/// The contact of a worker with its store.
///
/// After an outage in which living holders may have failed to renew, a worker takes over no expired claim before a
/// lease has passed (C-Y4). Contact that was lost for less than half a lease cost nobody a claim: renewals are made
/// every third of one.
#[derive(Debug)]
pub(super) struct Contact {
    lease: Duration,
    state: Mutex<State>,
    first: watch::Sender<bool>,
    /// Which of the renewals asked for was the last to be answered, counted from 1.
    renewals: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    last: Timestamp,
    is_broken: bool,
    careful_until: Option<Timestamp>,
    /// Since when a renewal is unanswered.
    asked: Option<Instant>,
    /// How often a renewal was asked for.
    asks: u64,
}

impl Contact {
    pub(super) fn new(now: Timestamp, lease: Duration) -> Self {
        let state = State { last: now, is_broken: false, careful_until: None, asked: None, asks: 0 };
        let (first, renewals) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { lease, state: Mutex::new(state), first, renewals }
    }

    /// The heartbeat has reached the store for the first time: dead neighbours' claims have run out, and this worker is
    /// known.
    pub(super) fn announce(&self) {
        self.first.send_replace(true);
    }

    /// Waits for the first contact.
    pub(super) async fn announced(&self) {
        // The sender is in `self`.
        let _ = self.first.subscribe().wait_for(|first| *first).await;
    }

    /// A renewal is on its way.
    pub(super) fn asked(&self) {
        let mut state = self.state();
        state.asked.get_or_insert_with(Instant::now);
        state.asks += 1;
    }

    /// A renewal was answered, and its answers taken in.
    pub(super) fn renewed(&self) {
        let asks = {
            let mut state = self.state();
            state.asked = None;
            state.asks
        };
        self.renewals.send_replace(asks);
    }

    /// Waits for the next renewal that is answered.
    pub(super) fn next_renewal(&self) -> impl Future<Output = ()> + use<> {
        let mut renewals = self.renewals.subscribe();
        async move {
            let _ = renewals.changed().await;
        }
    }

    /// Waits for the answer to a renewal that is yet to be asked for.
    pub(super) fn renewed_anew(&self) -> impl Future<Output = ()> + use<> {
        let (mut renewals, before) = (self.renewals.subscribe(), self.state().asks);
        async move {
            let _ = renewals.wait_for(|answered| *answered > before).await;
        }
    }

    /// True if a renewal has waited for its answer for this long, or met trouble.
    pub(super) fn is_silent(&self, long: Duration) -> bool {
        let state = self.state();
        state.is_broken || state.asked.is_some_and(|since| since.elapsed() > long)
    }

    /// A call succeeded.
    pub(super) fn made(&self, now: Timestamp) {
        let mut state = self.state();
        if state.is_outage(now, self.lease) {
            state.careful_until = Some(now.after(self.lease));
        }
        state.is_broken = false;
        state.last = state.last.max(now);
    }

    /// A call met transient trouble.
    pub(super) fn lost(&self) {
        self.state().is_broken = true;
    }

    /// Whether a claim may take over expired claims of others.
    pub(super) fn may_take_expired(&self, now: Timestamp) -> bool {
        let state = self.state();
        !state.is_outage(now, self.lease) && state.careful_until.is_none_or(|until| now >= until)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_outage(&self, now: Timestamp, lease: Duration) -> bool {
        self.is_broken && now.since(self.last) > lease / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::EPOCH.after(Duration::from_secs(seconds))
    }

    /// C-Y4
    #[test]
    fn after_an_outage_no_expired_claim_is_taken_over_before_a_lease_has_passed() {
        let contact = Contact::new(at(0), Duration::from_secs(10));
        assert!(contact.may_take_expired(at(1)));
        contact.lost();
        assert!(!contact.may_take_expired(at(30)));
        contact.made(at(30));
        assert!(!contact.may_take_expired(at(39)));
        assert!(contact.may_take_expired(at(40)));
    }

    #[test]
    fn a_short_disturbance_is_no_outage() {
        let contact = Contact::new(at(0), Duration::from_secs(10));
        contact.lost();
        assert!(contact.may_take_expired(at(4)));
        contact.made(at(4));
        assert!(contact.may_take_expired(at(5)));
    }
}
