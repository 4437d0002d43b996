//! This machine's clock, which follows a database's if it has one (C-X2).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stent_core::time::Wait;
use stent_core::{Clock, Timestamp};

/// The longest single sleep: the machine's clock may be set while one waits.
const LONGEST_SLEEP: Duration = Duration::from_secs(10);

/// The clock of real programs, on Tokio's timer.
///
/// On its own it is the machine's wall clock, which all processes of a machine share. Once it follows a database it
/// goes on from the database's time by the machine's monotonic clock: setting the wall clock then moves nothing.
#[derive(Debug, Default)]
pub struct SystemClock {
    followed: Mutex<Option<(Timestamp, Instant)>>,
}

impl SystemClock {
    /// A clock that follows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        match *self.followed.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((then, at)) => then.after(at.elapsed()),
            None => Timestamp::system_now(),
        }
    }

    fn wait_until(&self, at: Timestamp) -> Wait<'_> {
        Box::pin(async move {
            loop {
                let left = at.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            }
        })
    }

    fn follow(&self, now: Timestamp) {
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_waits_no_shorter_than_it_was_asked() {
        let clock = SystemClock::new();
        let until = clock.now().after(Duration::from_millis(3));
        clock.wait_until(until).await;
        assert!(clock.now() >= until);
        clock.wait_until(Timestamp::EPOCH).await;
    }

    /// C-X2
    #[test]
    fn it_follows_a_database_that_is_ahead() {
        let clock = SystemClock::new();
        clock.follow(Timestamp::system_now().after(Duration::from_secs(3_600)));
        assert!(clock.now() > Timestamp::system_now().after(Duration::from_secs(3_500)));
    }
}
