//! When a runtime of one thread has nothing left to run.
//!
//! Such a runtime parks its thread only once every task has been polled since its last wake, and calls a hook right before. That is the one moment at which
//! it is certain that nothing goes on by itself; what is woken in the hook runs instead of parking.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Who waits for the next such moment; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Parking(Arc<Mutex<Option<Waiting>>>);

struct Waiting {
    is_idle: Condition,
    waker: Waker,
}

type Condition = Arc<dyn Fn() -> bool + Send + Sync>;

impl Parking {
    /// The hook: called by the runtime before it parks.
    pub(super) fn about_to_park(&self) {
        let waiting = {
            let mut waiting = self.waiting();
            // Only then: who was woken for nothing would keep the thread from ever parking.
            if waiting.as_ref().is_some_and(|waiting| (waiting.is_idle)()) { waiting.take() } else { None }
        };
        if let Some(waiting) = waiting {
            waiting.waker.wake();
        }
    }

    /// Waits until the runtime has nothing left to run and this is so. One at a time waits.
    pub(super) fn parked(&self, is_idle: impl Fn() -> bool + Send + Sync + 'static) -> Parked<'_> {
        Parked { parking: self, is_idle: Arc::new(is_idle), registered: false }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// The future of such a wait.
pub(super) struct Parked<'a> {
    parking: &'a Parking,
    is_idle: Condition,
    registered: bool,
}

impl Future for Parked<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let parking = self.parking;
        let mut waiting = parking.waiting();
        if self.registered && waiting.is_none() {
            return Poll::Ready(());
        }
        *waiting = Some(Waiting { is_idle: Arc::clone(&self.is_idle), waker: context.waker().clone() });
        self.registered = true;
        Poll::Pending
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        *self.parking.waiting() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn run<T>(test: impl AsyncFnOnce(Parking) -> T) -> T {
        let parking = Parking::default();
        let hook = parking.clone();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().on_thread_park(move || hook.about_to_park()).build().unwrap();
        runtime.block_on(test(parking))
    }

    #[test]
    fn all_that_can_run_has_run_before_the_runtime_is_parked() {
        let yields = run(async |parking| {
            let yields = Arc::new(AtomicUsize::new(0));
            for _ in 0..10 {
                let yields = Arc::clone(&yields);
                tokio::spawn(async move {
                    for _ in 0..1_000 {
                        tokio::task::yield_now().await;
                        yields.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            parking.parked(|| true).await;
            yields.load(Ordering::SeqCst)
        });
        assert_eq!(yields, 10_000);
    }

    #[test]
    fn a_condition_that_is_not_met_lets_the_thread_park_until_something_comes() {
        run(async |parking| {
            let (asked, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let comes = Arc::clone(&done);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(20)).await;
                comes.store(1, Ordering::SeqCst);
            });
            let (counts, is_done) = (Arc::clone(&asked), Arc::clone(&done));
            parking
                .parked(move || {
                    counts.fetch_add(1, Ordering::SeqCst);
                    is_done.load(Ordering::SeqCst) == 1
                })
                .await;
            assert_eq!(done.load(Ordering::SeqCst), 1);
            assert!(asked.load(Ordering::SeqCst) < 20, "it asked all the time instead of parking");
        });
    }
}
