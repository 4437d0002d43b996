//! Durable sleep.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use stent_core::Failure;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::time::IntoDuration;

use super::Ctx;
use super::call::invalid;
use super::pending::Pending;
use crate::activation::{Given, Request};

/// A durable sleep. Await it.
#[must_use = "a sleep does nothing until it is awaited"]
pub struct SleepOperation(Pending);

impl Ctx {
    /// Sleeps: a row, not a worker. The time of waking is recorded once, so that a crash does not begin the sleep anew.
    ///
    /// # Errors
    /// Class `InvalidCall` if the duration cannot be read, is negative or longer than 100 years.
    pub fn sleep(&self, duration: impl IntoDuration) -> SleepOperation {
        let activation = self.activation();
        SleepOperation(match duration.into_duration() {
            Ok(duration) => {
                Pending::new(activation, OperationKind::Sleep, "", OperationKey::none(), Request::Sleep(duration))
            }
            Err(error) => Pending::refused(activation, invalid(format!("invalid sleep: {error}"))),
        })
    }
}

impl Future for SleepOperation {
    type Output = Result<(), Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(self.get_mut().0.poll(cx)) {
            Given::Failed(failure) => Err(failure),
            _ => Ok(()),
        })
    }
}
