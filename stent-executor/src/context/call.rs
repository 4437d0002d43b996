//! Calls of durable functions: children of this task, or executions of their own.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use stent_core::operation::{OperationKey, OperationKind};
use stent_core::retry::ErrorClass;
use stent_core::time::IntoDuration;
use stent_core::{ExecutionId, Failure};

use super::Ctx;
use super::pending::Pending;
use crate::activation::{Activation, Given, Request};
use crate::codec;
use crate::function::DurableFunction;
use crate::options::Call;
use crate::registry::{Known, Registry};

/// A call of a durable function. Await it for its result.
#[must_use = "a call does nothing until it is awaited"]
pub struct CallOperation<F> {
    pending: Pending,
    function: PhantomData<fn() -> F>,
}

/// A dispatch of an execution of its own. Await it for its id.
#[must_use = "a dispatch does nothing until it is awaited"]
pub struct DispatchOperation(Pending);

impl Ctx {
    /// Calls a durable function as a child of this task: on any worker, with its own retries.
    ///
    /// # Errors
    /// The child's failure, with class and origin; class `Elapsed` if a [timeout](CallOperation::timeout) passed first; class `InvalidCall` if the call cannot be made.
    pub fn call<F: DurableFunction>(&self, call: Call<F>) -> CallOperation<F> {
        let activation = self.activation();
        let task = known::<F>(activation).and_then(|known| {
            let now = activation.engine.clock.now();
            Ok(call.into_task(&known, now, self.codec(), self.payload_limit(), activation.engine.traces.current())?)
        });
        let pending = match task {
            Ok(task) => {
                let (name, key): (Arc<str>, _) =
                    (Arc::from(task.function.as_str()), OperationKey::from(task.fingerprint));
                let request = Request::Call { task: Some(Box::new(task)), timeout: None };
                Pending::new(activation, OperationKind::Call, name, key, request)
            }
            Err(failure) => Pending::refused(activation, failure),
        };
        CallOperation { pending, function: PhantomData }
    }

    /// Dispatches a call as an execution of its own, once, which outlives this one (C-Y6).
    ///
    /// # Errors
    /// Class `InvalidCall` if the call cannot be made, or bears a dedup key: replays know this dispatch by its place.
    pub fn dispatch<F: DurableFunction>(&self, call: Call<F>) -> DispatchOperation {
        let activation = self.activation();
        let execution = known::<F>(activation).and_then(|known| {
            let now = activation.engine.clock.now();
            let execution = call.into_execution(
                &known,
                now,
                self.codec(),
                self.payload_limit(),
                activation.engine.traces.current(),
            )?;
            match execution.dedup {
                None => Ok(execution),
                Some(_) => {
                    Err(invalid("a dispatch inside of a durable function runs once by itself, and takes no dedup key"))
                }
            }
        });
        DispatchOperation(match execution {
            Ok(execution) => {
                let (name, key): (Arc<str>, _) =
                    (Arc::from(execution.task.function.as_str()), OperationKey::from(execution.task.fingerprint));
                let request = Request::Dispatch(Some(Box::new(execution)));
                Pending::new(activation, OperationKind::Dispatch, name, key, request)
            }
            Err(failure) => Pending::refused(activation, failure),
        })
    }
}

impl<F> CallOperation<F> {
    /// Bounds the wait for the result: past it the call fails with class `Elapsed` and the child is cancelled (C-R9). Zero waits for ever (C-T1).
    pub fn timeout(mut self, bound: impl IntoDuration) -> Self {
        let bound = bound.into_duration();
        self.pending.change(|request| {
            let bound = bound.map_err(|error| invalid(format!("invalid timeout: {error}")))?;
            if let Request::Call { timeout, .. } = request {
                *timeout = (!bound.is_zero()).then_some(bound);
            }
            Ok(())
        });
        self
    }
}

impl<F: DurableFunction> Future for CallOperation<F> {
    type Output = Result<F::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let given = ready!(this.pending.poll(cx));
        Poll::Ready(match given {
            Given::Value(value) => {
                codec::decode(&*this.pending.activation().engine.codec, &value).map_err(|error| codec::corrupt(&error))
            }
            Given::Failed(failure) => Err(failure),
            Given::Elapsed | Given::Done | Given::Absorb(_) => Err(invalid("the outcome is not that of a call")),
        })
    }
}

impl Future for DispatchOperation {
    type Output = Result<ExecutionId, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let given = ready!(self.get_mut().0.poll(cx));
        Poll::Ready(match given {
            Given::Value(value) => serde_json::from_slice(value.as_bytes()).map_err(Failure::from),
            Given::Failed(failure) => Err(failure),
            Given::Elapsed | Given::Done | Given::Absorb(_) => Err(invalid("a dispatch has no timeout")),
        })
    }
}

/// What is known of a function; one that only other programs have is called all the same.
pub(super) fn known<F: DurableFunction>(activation: &Activation) -> Result<Arc<Known>, Failure> {
    match activation.engine.registry.known::<F>() {
        Ok(known) => Ok(known),
        Err(_) => Ok(Registry::remote::<F>()?),
    }
}

pub(super) fn invalid(text: impl Into<String>) -> Failure {
    Failure::new(ErrorClass::invalid_call(), text)
}
