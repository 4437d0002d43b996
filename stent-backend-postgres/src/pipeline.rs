//! The order of statements that go out together: that in which they are polled first, also if one of them must be prepared before. A statement that
//! takes a lock would otherwise come after the one that reads under it.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Statements on one connection that were begun and have not gone out.
#[derive(Default)]
pub(crate) struct Queue(Mutex<Begun>);

#[derive(Default)]
struct Begun {
    next: u64,
    waiting: BTreeMap<u64, Option<Waker>>,
}

/// The place of one statement; given up when it is dropped.
pub(crate) struct Place<'q> {
    queue: &'q Queue,
    number: u64,
}

impl Queue {
    /// The last place.
    pub(crate) fn enter(&self) -> Place<'_> {
        let mut begun = self.begun();
        let number = begun.next;
        begun.next += 1;
        begun.waiting.insert(number, None);
        Place { queue: self, number }
    }

    fn begun(&self) -> MutexGuard<'_, Begun> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Sends a statement, which its first poll does, once all that were begun before have gone out or are given up; and waits for its answer.
    pub(crate) async fn send<T>(self, statement: impl Future<Output = T>) -> T {
        poll_fn(|context| {
            let mut begun = self.queue.begun();
            if begun.waiting.keys().next() == Some(&self.number) {
                return Poll::Ready(());
            }
            begun.waiting.insert(self.number, Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        let mut statement = pin!(statement);
        let at_once = poll_fn(|context| Poll::Ready(statement.as_mut().poll(context))).await;
        drop(self);
        match at_once {
            Poll::Ready(answer) => answer,
            Poll::Pending => statement.await,
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut begun = self.queue.begun();
        begun.waiting.remove(&self.number);
        let first = begun.waiting.first_entry().and_then(|mut first| first.get_mut().take());
        drop(begun);
        if let Some(first) = first {
            first.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn statements_go_out_in_the_order_in_which_they_were_begun() {
        let (queue, sent) = (Queue::default(), Mutex::new(Vec::new()));
        let statement = |number: u32, preparations: u32| {
            let (queue, sent) = (&queue, &sent);
            async move {
                let place = queue.enter();
                for _ in 0..preparations {
                    yield_now().await;
                }
                place.send(async { sent.lock().unwrap().push(number) }).await;
            }
        };
        tokio::join!(statement(0, 3), statement(1, 0), statement(2, 5), statement(3, 1));
        assert_eq!(*sent.lock().unwrap(), [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn one_that_is_given_up_holds_nobody_up() {
        let queue = Queue::default();
        let first = queue.enter();
        let second = queue.enter();
        let (_, answer) = tokio::join!(
            async {
                yield_now().await;
                drop(first);
            },
            second.send(async { 2 }),
        );
        assert_eq!(answer, 2);
    }
}
