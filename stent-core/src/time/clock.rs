//! The one source of time.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::Timestamp;

/// The future of a wait: ready at or after its time.
pub type Wait<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The one source of time. Everything that waits, waits here, so that a test's clock can be moved instead of waited for.
///
/// - `now` never depends on the local time zone.
/// - `wait_until` is ready at once if the time has come, and may be dropped at any point.
pub trait Clock: Send + Sync + 'static {
    /// The present, naive UTC.
    fn now(&self) -> Timestamp;

    /// Waits until `now` is at least `at`.
    fn wait_until(&self, at: Timestamp) -> Wait<'_>;

    /// Waits like [`wait_until`](Self::wait_until) for a time at which nothing happens but a look whether something did: polls, renewals, rounds
    /// of maintenance. A clock that is moved from one event to the next need not stop there; all others go by this default.
    fn idle_until(&self, at: Timestamp) -> Wait<'_> {
        self.wait_until(at)
    }

    /// How long to pause, in real time, between two looks at the store, where hints ask for one look after the other and looking must not be all that
    /// the store does: the time that is wanted, by this default. On a clock that is moved by hand nothing happens between two moves but what is due, so it
    /// makes no pauses.
    fn pause(&self, wanted: Duration) -> Duration {
        wanted
    }

    /// Follows a database's clock, by which it is `now` (C-X2). Clocks that are moved by hand ignore it, as this default does.
    fn follow(&self, now: Timestamp) {
        let _ = now;
    }
}
