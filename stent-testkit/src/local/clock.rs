//! A clock that is moved from one event to the next, past all that only looks whether something happened.

use stent_core::time::{Clock, Wait};
use stent_core::{Timestamp, limits};

use crate::clock::ManualClock;

/// A [`ManualClock`] that tells events from looks. Clones are the same clock.
#[derive(Debug, Clone)]
pub(super) struct EventClock {
    events: ManualClock,
    /// Always moved together with the other.
    looks: ManualClock,
}

impl EventClock {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { events: ManualClock::new(now), looks: ManualClock::new(now) }
    }

    /// Moves the clock and wakes whose time has come.
    pub(super) fn set(&self, now: Timestamp) {
        self.events.set(now);
        self.looks.set(now);
    }

    /// The earliest time at which something happens, if anything is to happen at all.
    pub(super) fn next_event(&self) -> Option<Timestamp> {
        self.events.next_wait()
    }
}

impl Clock for EventClock {
    fn now(&self) -> Timestamp {
        self.events.now()
    }

    fn wait_until(&self, at: Timestamp) -> Wait<'_> {
        // As far away as a duration can be: a bound that is none.
        if at >= self.now().after(limits::DURATION) {
            return self.idle_until(at);
        }
        self.events.wait_until(at)
    }

    fn idle_until(&self, at: Timestamp) -> Wait<'_> {
        self.looks.wait_until(at)
    }
}
