//! Steps: code run in this process, its outcome journaled.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::Failure;
use stent_core::failure::IntoFailure;
use stent_core::limits;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::outcome::OperationOutcome;
use stent_core::retry::{RetryPolicy, backoff};

use super::Ctx;
use super::call::invalid;
use super::pending::Pending;
use crate::activation::{Given, Mode, Phase, Request, StepEvent, StepWake, panicked};
use crate::backoff::random_unit;
use crate::codec;
use crate::telemetry::{self, metrics};

/// A step. Await it for its result.
#[must_use = "a step does nothing until it is awaited"]
pub struct StepOperation<'a, T> {
    pending: Pending,
    code: Code<'a, T>,
    running: Option<BoxFuture<'a, Result<T, Failure>>>,
    policy: RetryPolicy,
    attempt: u32,
}

/// Boxed, so that the operation's type does not bear that of the future: code that borrows could not be joined otherwise, since the compiler
/// cannot see that such a join may be sent.
type Code<'a, T> = Box<dyn FnMut() -> BoxFuture<'a, Result<T, Failure>> + Send + 'a>;

impl Ctx {
    /// Runs code in this process and journals its outcome: once recorded it never runs again in this task (C-R1). Steps of one task run concurrently, not in
    /// parallel; the code may borrow from the function.
    ///
    /// The code runs at least once: a crash before its outcome is recorded runs it again.
    ///
    /// # Errors
    /// What the code fails with, after its retries; class `Panic` if it panics; class `AmbiguousStep` if another step of this name was made in the same turn (C-R3).
    pub fn step<'a, C, Fut, T, E>(&self, name: impl AsRef<str>, mut code: C) -> StepOperation<'a, T>
    where
        C: FnMut() -> Fut + Send + 'a,
        Fut: Future<Output = Result<T, E>> + Send + 'a,
        T: Serialize + DeserializeOwned + 'a,
        E: IntoFailure,
    {
        let (activation, name) = (self.activation(), name.as_ref());
        let pending = if name.is_empty() || name.len() > limits::NAME || name.contains(char::is_control) {
            Pending::refused(
                activation,
                invalid(format!("a step's name has 1 to {} bytes and no control characters", limits::NAME)),
            )
        } else {
            Pending::new(activation, OperationKind::Step, name, OperationKey::none(), Request::Step)
        };
        let code: Code<'a, T> = Box::new(move || {
            let running = code();
            Box::pin(async move { running.await.map_err(IntoFailure::into_failure) })
        });
        StepOperation { pending, code, running: None, policy: RetryPolicy::default(), attempt: 1 }
    }
}

impl<T> StepOperation<'_, T> {
    /// Tells this step from others of its name that are made in the same turn (C-R3).
    pub fn key(mut self, key: impl AsRef<str>) -> Self {
        self.pending.rekey(OperationKey::new(key).map_err(Failure::from));
        self
    }

    /// Sets how the step is retried; by default 3 attempts (C-Y7).
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }
}

impl<'a, T: Serialize + DeserializeOwned + 'a> Future for StepOperation<'a, T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match this.pending.poll(cx) {
            Poll::Pending => {
                if let Some((slot, wake)) = this.may_run() {
                    this.run(slot, wake);
                }
                Poll::Pending
            }
            Poll::Ready(Given::Value(value)) => {
                let codec = &*this.pending.activation().engine.codec;
                Poll::Ready(codec::decode(codec, &value).map_err(|error| codec::corrupt(&error)))
            }
            Poll::Ready(Given::Failed(failure)) => Poll::Ready(Err(failure)),
            Poll::Ready(Given::Elapsed | Given::Done | Given::Absorb(_)) => {
                Poll::Ready(Err(invalid("a step has no timeout")))
            }
        }
    }
}

impl<'a, T: Serialize + DeserializeOwned + 'a> StepOperation<'a, T> {
    /// The step's slot and waker, if the driver lets it run and it was woken.
    fn may_run(&self) -> Option<(usize, Arc<StepWake>)> {
        let slot = self.pending.slot()?;
        let mut shared = self.pending.activation().shared();
        if !matches!(shared.polling, Some((_, Mode::Drive))) || shared.operations[slot].phase != Phase::Running {
            return None;
        }
        let wake = shared.operations[slot].step.clone().filter(|wake| wake.take())?;
        shared.inside = Some("a step");
        shared.stepping = Some(slot);
        if self.running.is_none() {
            shared.operations[slot].draws = 0;
        }
        Some((slot, wake))
    }

    /// Polls the code, and tells the driver how it ended.
    fn run(&mut self, slot: usize, wake: Arc<StepWake>) {
        let waker = Waker::from(wake);
        let (attempt, name) = (self.attempt, Arc::clone(&self.pending.activation().shared().operations[slot].id.name));
        let (running, code) = (&mut self.running, &mut self.code);
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let begin = || telemetry::step(&name, attempt, code);
            let polled = running.get_or_insert_with(begin).as_mut().poll(&mut Context::from_waker(&waker));
            if polled.is_ready() {
                *running = None;
            }
            polled
        }));
        let activation = Arc::clone(self.pending.activation());
        let engine = &activation.engine;
        let outcome = match polled {
            Ok(Poll::Pending) => {
                let mut shared = activation.shared();
                (shared.inside, shared.stepping) = (None, None);
                return;
            }
            Ok(Poll::Ready(Ok(value))) => {
                let encoded = catch_unwind(AssertUnwindSafe(|| {
                    codec::encode(&*engine.codec, engine.settings.payload_limit, &value).map_err(Failure::from)
                }));
                encoded.unwrap_or_else(|panic| Err(panicked(&*panic)))
            }
            Ok(Poll::Ready(Err(failure))) => Err(failure),
            Err(panic) => {
                let running = self.running.take();
                let _ = catch_unwind(AssertUnwindSafe(move || drop(running)));
                Err(panicked(&*panic))
            }
        };
        let event = match outcome {
            Ok(value) => {
                metrics::step("completed");
                StepEvent::Ended(slot, OperationOutcome::Completed(value))
            }
            Err(failure) if self.policy.retries(failure.class(), self.attempt) => {
                let delay = backoff::delay(&self.policy, self.attempt, random_unit());
                self.attempt += 1;
                metrics::step("retried");
                StepEvent::RetryAt(slot, engine.clock.now().after(delay))
            }
            Err(failure) => {
                metrics::step("failed");
                StepEvent::Ended(slot, OperationOutcome::Failed(failure))
            }
        };
        let mut shared = activation.shared();
        (shared.inside, shared.stepping) = (None, None);
        shared.steps.push(event);
    }
}
