//! A clock that stands still until a test moves it.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use stent_core::Timestamp;
use stent_core::time::{Clock, Wait};

/// A clock that is moved by hand. Clones are the same clock.
///
/// Waits are woken by moves, in the order of their times. A driver that sees everything at rest skips to what comes next:
///
/// ```
/// use std::time::Duration;
/// use stent_core::{Clock, Timestamp};
/// use stent_testkit::clock::ManualClock;
///
/// let clock = ManualClock::new(Timestamp::EPOCH);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(clock.now(), Timestamp::from_micros(1_000_000));
/// if let Some(at) = clock.next_wait() {
///     clock.set(at);
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    /// Who waits, by time and by the order in which the waits began.
    waits: BTreeMap<(Timestamp, u64), Waker>,
    /// Those who were woken and have not looked at the clock since.
    woken: HashSet<u64>,
    begun: u64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Hands { now, waits: BTreeMap::new(), woken: HashSet::new(), begun: 0 })))
    }

    /// Moves the clock forward and wakes the waits whose time has come.
    pub fn advance(&self, duration: Duration) {
        let now = self.now().after(duration);
        self.set(now);
    }

    /// Moves the clock to `now`, be it back, and wakes the waits whose time has come.
    pub fn set(&self, now: Timestamp) {
        let due = {
            let mut hands = self.hands();
            hands.now = now;
            let later = hands.waits.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut hands.waits, later);
            hands.woken.extend(due.keys().map(|(_, number)| number));
            due
        };
        due.into_values().for_each(Waker::wake);
    }

    /// The earliest time that anybody waits for; `None` if nobody waits. A wait counts from its first poll until it is over or dropped.
    #[must_use]
    pub fn next_wait(&self) -> Option<Timestamp> {
        self.hands().waits.keys().next().map(|(at, _)| *at)
    }

    /// How many waits were woken by a move and have not been polled or dropped since: whoever waits on another thread takes a while to hear of it.
    #[must_use]
    pub fn unheard(&self) -> usize {
        self.hands().woken.len()
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// A clock that stands at 2030-01-01T00:00:00.
    fn default() -> Self {
        Self::new(Timestamp::from_micros(1_893_456_000_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().now
    }

    fn wait_until(&self, at: Timestamp) -> Wait<'_> {
        Box::pin(Waiting { clock: self, at, number: None })
    }

    fn pause(&self, _wanted: Duration) -> Duration {
        Duration::ZERO
    }
}

struct Waiting<'a> {
    clock: &'a ManualClock,
    at: Timestamp,
    number: Option<u64>,
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock;
        let mut hands = clock.hands();
        if let Some(number) = &self.number {
            hands.woken.remove(number);
        }
        if hands.now >= self.at {
            return Poll::Ready(());
        }
        let number = *self.number.get_or_insert_with(|| {
            hands.begun += 1;
            hands.begun
        });
        hands.waits.insert((self.at, number), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            let mut hands = self.clock.hands();
            hands.woken.remove(&number);
            hands.waits.remove(&(self.at, number));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn is_over(wait: &mut Wait<'_>) -> bool {
        wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_wait_is_over_when_its_time_has_come_and_not_before() {
        let clock = ManualClock::new(at(0));
        let mut wait = clock.wait_until(at(10));
        assert!(!is_over(&mut wait));
        clock.advance(Duration::from_micros(9));
        assert!(!is_over(&mut wait));
        clock.advance(Duration::from_micros(1));
        assert!(is_over(&mut wait));
        assert!(is_over(&mut clock.wait_until(at(10))), "a time that has come needs no wait");
    }

    #[test]
    fn the_next_wait_is_the_earliest_that_is_neither_over_nor_dropped() {
        let clock = ManualClock::new(at(0));
        let (mut late, mut early) = (clock.wait_until(at(20)), clock.wait_until(at(10)));
        assert_eq!(clock.next_wait(), None, "nobody has polled");
        assert!(!is_over(&mut late) && !is_over(&mut early));
        assert_eq!(clock.next_wait(), Some(at(10)));
        clock.set(at(10));
        assert_eq!(clock.next_wait(), Some(at(20)));
        drop(late);
        assert_eq!(clock.next_wait(), None);
    }

    #[test]
    fn a_wait_that_was_woken_is_unheard_until_it_is_polled_or_dropped() {
        let clock = ManualClock::new(at(0));
        let (mut polled, mut dropped, mut later) =
            (clock.wait_until(at(10)), clock.wait_until(at(10)), clock.wait_until(at(20)));
        assert!(!is_over(&mut polled) && !is_over(&mut dropped) && !is_over(&mut later));
        clock.set(at(10));
        assert_eq!(clock.unheard(), 2);
        assert!(is_over(&mut polled));
        assert_eq!(clock.unheard(), 1);
        drop(dropped);
        assert_eq!(clock.unheard(), 0);
    }

    #[test]
    fn a_clock_that_is_set_back_lets_a_woken_wait_wait_again() {
        let clock = ManualClock::new(at(0));
        let mut wait = clock.wait_until(at(10));
        assert!(!is_over(&mut wait));
        clock.set(at(10));
        clock.set(at(5));
        assert!(!is_over(&mut wait));
        assert_eq!(clock.next_wait(), Some(at(10)));
    }

    #[tokio::test]
    async fn a_move_of_any_clone_wakes_the_waiting_task() {
        let clock = ManualClock::default();
        let waits = clock.clone();
        let hour_later = clock.now().after(Duration::from_secs(3_600));
        let task = tokio::spawn(async move {
            waits.wait_until(hour_later).await;
            waits.now()
        });
        while clock.next_wait().is_none() {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(task.await.unwrap(), hour_later);
    }
}
