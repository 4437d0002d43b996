//! Waiting for signals.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;
use stent_core::Failure;
use stent_core::name::SignalName;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::time::IntoDuration;

use super::Ctx;
use super::call::invalid;
use super::pending::Pending;
use crate::activation::{Given, Request};
use crate::codec;

/// A wait for a signal. Await it for the value.
#[must_use = "a wait does nothing until it is awaited"]
pub struct SignalOperation<T> {
    pending: Pending,
    value: PhantomData<fn() -> T>,
}

/// A wait for a signal that ends by itself. Await it for the value, or `None`.
#[must_use = "a wait does nothing until it is awaited"]
pub struct SignalOrTimeout<T>(SignalOperation<T>);

impl Ctx {
    /// Waits for a signal: the latest value sent and not taken yet, or the next one (C-S1, C-S2). Every wait takes a value of its own.
    ///
    /// # Errors
    /// Class `CorruptRow` if the value is no `T`; class `InvalidCall` if the name is none.
    pub fn signal<T: DeserializeOwned>(&self, name: impl AsRef<str>) -> SignalOperation<T> {
        let activation = self.activation();
        let pending = match SignalName::new(name) {
            Ok(name) => Pending::new(
                activation,
                OperationKind::Signal,
                name.as_str(),
                OperationKey::none(),
                Request::Signal { name: name.clone(), timeout: None },
            ),
            Err(error) => Pending::refused(activation, invalid(error.to_string())),
        };
        SignalOperation { pending, value: PhantomData }
    }
}

impl<T> SignalOperation<T> {
    /// Bounds the wait: `None` if the time passes first; a later value is the next wait's (C-S4). Zero waits for ever (C-T1).
    pub fn timeout(mut self, bound: impl IntoDuration) -> SignalOrTimeout<T> {
        let bound = bound.into_duration();
        self.pending.change(|request| {
            let bound = bound.map_err(|error| invalid(format!("invalid timeout: {error}")))?;
            if let Request::Signal { timeout, .. } = request {
                *timeout = (!bound.is_zero()).then_some(bound);
            }
            Ok(())
        });
        SignalOrTimeout(self)
    }

    fn poll_value(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<T>, Failure>>
    where
        T: DeserializeOwned,
    {
        Poll::Ready(match ready!(self.pending.poll(cx)) {
            Given::Value(value) => codec::decode(&*self.pending.activation().engine.codec, &value)
                .map(Some)
                .map_err(|error| codec::corrupt(&error)),
            Given::Failed(failure) => Err(failure),
            Given::Elapsed | Given::Done | Given::Absorb(_) => Ok(None),
        })
    }
}

impl<T: DeserializeOwned> Future for SignalOperation<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let value = ready!(self.get_mut().poll_value(cx));
        Poll::Ready(value.and_then(|value| value.ok_or_else(|| invalid("a wait without a timeout timed out"))))
    }
}

impl<T: DeserializeOwned> Future for SignalOrTimeout<T> {
    type Output = Result<Option<T>, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().0.poll_value(cx)
    }
}
