//! How long to wait before a failed call of the backend is repeated.

use std::time::Duration;

use uuid::Uuid;

const FIRST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// Delays from 10 ms, doubling to 1 s, each spread from half of itself to one and a half, so that processes that lost a
/// database together do not come back together.
///
/// Real time, not the engine's: it spares a database in trouble, and no outcome depends on it.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Backoff {
    /// Waits; longer each time.
    pub(crate) async fn wait(&mut self) {
        let delay = self.next.mul_f64(0.5 + random_unit());
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(delay).await;
    }
}

/// A random number in `[0, 1)`.
pub(crate) fn random_unit() -> f64 {
    let bytes = *Uuid::new_v4().as_bytes();
    f64::from(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])) / (f64::from(u32::MAX) + 1.0)
}
