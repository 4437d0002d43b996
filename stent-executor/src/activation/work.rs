//! What a driver asked the store for and still waits for.

use std::collections::VecDeque;
use std::future::Future;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::turn::Happening;

/// Calls of the store that are under way, and what has come of those that are over.
///
/// Each may hold a connection, so whatever else the driver waits for, these go on: the code that it waits for may be in need of that connection.
#[derive(Default)]
pub(super) struct Work {
    under_way: FuturesUnordered<BoxFuture<'static, Happening>>,
    arrived: VecDeque<Happening>,
}

impl Work {
    /// Begins a call, which goes on whenever the driver waits.
    pub(super) fn push(&self, call: BoxFuture<'static, Happening>) {
        self.under_way.push(call);
    }

    /// True if nothing is under way and nothing has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.arrived.is_empty()
    }

    /// The next that comes; `None` if nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        match self.arrived.pop_front() {
            Some(happening) => Some(happening),
            None => self.under_way.next().await,
        }
    }

    /// The next that has come, without waiting.
    pub(super) fn now(&mut self) -> Option<Happening> {
        self.next().now_or_never().flatten()
    }

    /// Waits for something else meanwhile.
    pub(super) async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(happening) = self.under_way.next(), if !self.under_way.is_empty() => self.arrived.push_back(happening),
            }
        }
    }
}
