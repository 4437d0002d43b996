//! Polling a function until it is quiet, and telling whose wake it was.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use stent_core::retry::ErrorClass;
use stent_core::{Failure, Payload};
use tokio::sync::Notify;

use super::Activation;
use super::operation::Mode;
use crate::registry::Running;

/// The waker of a whole function. A wake outside of polling and giving comes from something that it awaits outside of its context (C-R8).
#[derive(Debug, Default)]
pub(crate) struct RootWake {
    woken: AtomicBool,
    expected: AtomicBool,
    foreign: AtomicBool,
    steps: AtomicBool,
    notify: Notify,
}

impl RootWake {
    /// Wakes operations' futures without taking that for a wake from outside.
    pub(crate) fn wake(&self, wakers: Vec<Waker>) {
        let before = self.expected.swap(true, Ordering::SeqCst);
        wakers.into_iter().for_each(Waker::wake);
        self.expected.store(before, Ordering::SeqCst);
    }

    /// True if something outside of the context woke the function since this was last asked.
    pub(crate) fn take_foreign(&self) -> bool {
        self.foreign.swap(false, Ordering::SeqCst)
    }

    /// True if a step was woken since this was last asked.
    pub(crate) fn take_steps(&self) -> bool {
        self.steps.swap(false, Ordering::SeqCst)
    }

    /// Waits for a wake of any kind.
    pub(crate) async fn notified(&self) {
        self.notify.notified().await;
    }
}

impl Wake for RootWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        if !self.expected.load(Ordering::SeqCst) {
            self.foreign.store(true, Ordering::SeqCst);
        }
        self.notify.notify_one();
    }
}

/// The waker of a step's code. It does not wake the function: a turn is quiet while steps go on.
#[derive(Debug)]
pub(crate) struct StepWake {
    woken: AtomicBool,
    root: Arc<RootWake>,
}

impl StepWake {
    /// A waker that counts as woken, since the code has not run yet.
    pub(crate) fn new(root: Arc<RootWake>) -> Self {
        Self { woken: AtomicBool::new(true), root }
    }

    /// True if the step's code is to be polled.
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    /// True if the step's code is to be polled; it is not any more.
    pub(crate) fn take(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }
}

impl Wake for StepWake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        self.root.steps.store(true, Ordering::SeqCst);
        self.root.notify.notify_one();
    }
}

/// A running function, and how it is polled.
pub(crate) struct Function {
    activation: Arc<Activation>,
    future: Option<Running>,
}

/// What a function returned.
pub(crate) type Returned = Result<Payload, Failure>;

impl Function {
    pub(crate) fn new(activation: Arc<Activation>, future: Running) -> Self {
        Self { activation, future: Some(Box::pin(tokio::task::coop::unconstrained(future))) }
    }

    /// Polls until the function is pending with no wake of its own outstanding, or has returned. The runtime gets its turn between polls.
    pub(crate) async fn poll_until_quiet(&mut self, mode: Mode) -> Option<Returned> {
        loop {
            if let Some(returned) = self.poll_once(mode) {
                return Some(returned);
            }
            if !self.activation.wake.woken.load(Ordering::SeqCst) {
                return None;
            }
            tokio::task::yield_now().await;
        }
    }

    fn poll_once(&mut self, mode: Mode) -> Option<Returned> {
        let activation = Arc::clone(&self.activation);
        let future = self.future.as_mut()?;
        let wake = &activation.wake;
        wake.woken.store(false, Ordering::SeqCst);
        wake.expected.store(true, Ordering::SeqCst);
        activation.shared().polling = Some((std::thread::current().id(), mode));
        let waker = Waker::from(Arc::clone(wake));
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut Context::from_waker(&waker))));
        let mut shared = activation.shared();
        shared.polling = None;
        shared.inside = None;
        shared.stepping = None;
        drop(shared);
        wake.expected.store(false, Ordering::SeqCst);
        let returned = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(returned)) => returned,
            Err(panic) => Err(panicked(&*panic)),
        };
        // What was still open is abandoned by the return, as of this turn. A panic in a destructor changes no outcome.
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
        Some(returned)
    }
}

impl Drop for Function {
    /// Leaving memory drops no operation (C-R9), and a panic in a destructor reaches nobody.
    fn drop(&mut self) {
        self.activation.shared().leaving = true;
        let future = self.future.take();
        let _ = catch_unwind(AssertUnwindSafe(move || drop(future)));
    }
}

/// The failure of code that panicked (C-Y4).
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Failure::new(ErrorClass::panic(), text.unwrap_or_else(|| "a panic without a text".to_owned()))
}
