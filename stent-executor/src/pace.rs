//! How often to look at the store where hints ask for it: a few looks at once, and in the long run no more of them than a share of the time.

use std::time::{Duration, Instant};

/// The generic cell rate algorithm (ITU-T Recommendation I.371) of looks that are as dear as they take long: each owes a pause, and looks are made at once
/// until too much of pausing is owed.
#[derive(Debug)]
pub(crate) struct Pace {
    /// So much may be owed.
    burst: Duration,
    /// When nothing is owed any more.
    even_at: Instant,
}

impl Pace {
    pub(crate) fn new(burst: Duration) -> Self {
        Self { burst, even_at: Instant::now() }
    }

    /// A look was made that owes this pause.
    pub(crate) fn owe(&mut self, pause: Duration) {
        self.even_at = self.even_at.max(Instant::now()) + pause;
    }

    /// From when the next look may be made.
    pub(crate) fn next(&self) -> Instant {
        self.even_at.checked_sub(self.burst).unwrap_or(self.even_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_made_at_once_until_too_much_is_owed() {
        let begun = Instant::now();
        let mut pace = Pace::new(Duration::from_secs(30));
        let mut at_once = 0;
        while pace.next() <= Instant::now() {
            pace.owe(Duration::from_secs(10));
            at_once += 1;
        }
        assert_eq!(at_once, 4);
        assert!(
            pace.next() >= begun + Duration::from_secs(10),
            "three of them were free, the fourth waits for one to be over"
        );
        pace.owe(Duration::from_secs(10));
        assert!(pace.next() >= begun + Duration::from_secs(20), "from now on each waits for its own pause");
    }
}
