//! Batching without delay: what gathers while the previous call is in flight goes out together.
//!
//! An idle process has the latency of one call, a busy one the throughput of group commit. There is no timer.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use stent_core::BackendError;
use stent_core::error::ErrorKind;
use tokio::sync::oneshot;

use crate::backoff::Backoff;

/// A call of the backend that takes many items and answers per item, in order. It may be repeated.
#[async_trait]
pub(crate) trait Batched: Send + Sync + 'static {
    type Item: Send + Sync + 'static;
    type Answer: Send + 'static;
    /// Items of one key never share a batch.
    type Key: Hash + Eq + Send;
    /// What is kept beside an item until its answer is there.
    type Beside: Send + Sync + 'static;

    fn key(&self, item: &Self::Item) -> Self::Key;

    /// How much of a batch's room an item takes.
    fn weight(&self, item: &Self::Item) -> usize {
        let _ = item;
        1
    }

    /// Makes a batch ready, once, when it goes out.
    fn prepare(&self, items: &mut [Self::Item], beside: &mut [Self::Beside]) {
        let _ = (items, beside);
    }

    async fn call(&self, items: &[Self::Item], beside: &[Self::Beside]) -> Result<Vec<Self::Answer>, BackendError>;
}

/// How large batches get, and how long they are repeated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BatchLimits {
    /// Items of one batch.
    pub(crate) items: usize,
    /// Weight of one batch, unless a single item has more.
    pub(crate) weight: usize,
    /// How long a batch is repeated over an outage; `None`: as long as somebody waits for an answer.
    pub(crate) patience: Option<Duration>,
}

/// Gathers items into batches, one in flight at a time.
///
/// - What was submitted happens whole, also if the submitter stops waiting.
/// - Transient trouble: the same batch is repeated, until it succeeds, patience ends, or nobody waits any more.
/// - Other trouble of a batch: each of its items is tried alone, so that none is harmed by another.
pub(crate) struct Batcher<T, R, B = ()> {
    queue: Arc<dyn Submit<T, R, B>>,
}

impl<T, R, B> Clone for Batcher<T, R, B> {
    fn clone(&self) -> Self {
        Self { queue: Arc::clone(&self.queue) }
    }
}

impl<T: Send + Sync + 'static, R: Send + 'static, B: Default + Send + Sync + 'static> Batcher<T, R, B> {
    pub(crate) fn new(limits: BatchLimits, call: impl Batched<Item = T, Answer = R, Beside = B>) -> Self {
        let waiting = Mutex::new(Waiting { entries: VecDeque::new(), flushing: false });
        Self { queue: Arc::new(Queue { call, limits, waiting }) }
    }

    /// Puts an item into the next batch and waits for its answer.
    ///
    /// # Errors
    /// The backend's, if it is not transient or patience has ended; `Closed` if the runtime stops.
    pub(crate) async fn submit(&self, item: T) -> Result<R, BackendError> {
        self.submit_with(item, B::default()).await
    }

    /// Like [`submit`](Self::submit), with what is kept beside the item.
    pub(crate) async fn submit_with(&self, item: T, beside: B) -> Result<R, BackendError> {
        let (answer, answered) = oneshot::channel();
        Arc::clone(&self.queue).push(Entry { item, beside, answer });
        answered.await.unwrap_or_else(|_| {
            Err(BackendError::new(ErrorKind::Closed, "batch")
                .with_message("the process stopped before the answer came"))
        })
    }
}

struct Entry<T, R, B> {
    item: T,
    beside: B,
    answer: oneshot::Sender<Result<R, BackendError>>,
}

/// An entry of these calls.
type EntryOf<C> = Entry<<C as Batched>::Item, <C as Batched>::Answer, <C as Batched>::Beside>;

trait Submit<T, R, B>: Send + Sync {
    fn push(self: Arc<Self>, entry: Entry<T, R, B>);
}

struct Queue<C: Batched> {
    call: C,
    limits: BatchLimits,
    waiting: Mutex<Waiting<EntryOf<C>>>,
}

struct Waiting<E> {
    entries: VecDeque<E>,
    flushing: bool,
}

impl<C: Batched> Submit<C::Item, C::Answer, C::Beside> for Queue<C> {
    fn push(self: Arc<Self>, entry: EntryOf<C>) {
        let mut waiting = self.waiting();
        waiting.entries.push_back(entry);
        if !std::mem::replace(&mut waiting.flushing, true) {
            drop(waiting);
            tokio::spawn(Flusher { queue: self, done: false }.run());
        }
    }
}

/// The one flusher of a queue. Dropped before it is done, by a panic below or with its runtime, it leaves nobody
/// waiting.
struct Flusher<C: Batched> {
    queue: Arc<Queue<C>>,
    done: bool,
}

impl<C: Batched> Drop for Flusher<C> {
    fn drop(&mut self) {
        if !self.done {
            let mut waiting = self.queue.waiting();
            waiting.flushing = false;
            let abandoned = std::mem::take(&mut waiting.entries);
            drop(waiting);
            drop(abandoned);
        }
    }
}

impl<C: Batched> Flusher<C> {
    async fn run(mut self) {
        // Who is ready at the same time comes along: the first would go alone otherwise, and all others wait for it.
        tokio::task::yield_now().await;
        while let Some(batch) = self.next() {
            self.queue.answer(batch).await;
        }
    }

    fn next(&mut self) -> Option<Vec<EntryOf<C>>> {
        let mut waiting = self.queue.waiting();
        if waiting.entries.is_empty() {
            // Under the lock: who pushes after this starts the next flusher.
            waiting.flushing = false;
            self.done = true;
            return None;
        }
        Some(self.queue.take(&mut waiting.entries))
    }
}

impl<C: Batched> Queue<C> {
    fn waiting(&self) -> MutexGuard<'_, Waiting<EntryOf<C>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next batch, in order of submission; an item whose key is in it already stays for the one after.
    fn take(&self, entries: &mut VecDeque<EntryOf<C>>) -> Vec<EntryOf<C>> {
        let (mut batch, mut later) = (Vec::new(), VecDeque::new());
        let (mut keys, mut weight) = (HashSet::new(), 0_usize);
        while let Some(entry) = entries.pop_front() {
            let more = weight.saturating_add(self.call.weight(&entry.item));
            if batch.len() >= self.limits.items || (more > self.limits.weight && !batch.is_empty()) {
                entries.push_front(entry);
                break;
            }
            if keys.insert(self.call.key(&entry.item)) {
                weight = more;
                batch.push(entry);
            } else {
                later.push_back(entry);
            }
        }
        later.append(entries);
        *entries = later;
        batch
    }

    async fn answer(&self, batch: Vec<EntryOf<C>>) {
        let (mut items, mut beside, mut submitters) = (Vec::new(), Vec::new(), Vec::new());
        for entry in batch {
            items.push(entry.item);
            beside.push(entry.beside);
            submitters.push(entry.answer);
        }
        self.call.prepare(&mut items, &mut beside);
        match self.attempt(&items, &beside, &submitters).await {
            Ok(answers) => {
                for (submitter, answer) in submitters.into_iter().zip(answers) {
                    // Who has stopped waiting needs no answer.
                    let _ = submitter.send(Ok(answer));
                }
            }
            Err(error) if items.len() > 1 && !error.is_transient() => {
                for ((item, beside), submitter) in items.iter().zip(&beside).zip(submitters) {
                    let (item, beside) = (slice::from_ref(item), slice::from_ref(beside));
                    let answer = self.attempt(item, beside, slice::from_ref(&submitter)).await;
                    let _ =
                        submitter.send(answer.and_then(|answers| answers.into_iter().next().ok_or_else(miscounted)));
                }
            }
            Err(error) => {
                for submitter in submitters {
                    let _ = submitter.send(Err(error.clone()));
                }
            }
        }
    }

    /// One batch, repeated over transient trouble.
    async fn attempt(
        &self,
        items: &[C::Item],
        beside: &[C::Beside],
        submitters: &[oneshot::Sender<Result<C::Answer, BackendError>>],
    ) -> Result<Vec<C::Answer>, BackendError> {
        let started = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let error = match self.call.call(items, beside).await {
                Ok(answers) if answers.len() == items.len() => return Ok(answers),
                Ok(_) => return Err(miscounted()),
                Err(error) => error,
            };
            let is_patient = self.limits.patience.is_none_or(|patience| started.elapsed() < patience);
            let is_awaited = submitters.iter().any(|submitter| !submitter.is_closed());
            if !(error.is_transient() && is_patient && is_awaited) {
                return Err(error);
            }
            backoff.wait().await;
        }
    }
}

fn miscounted() -> BackendError {
    BackendError::new(ErrorKind::Internal, "batch")
        .with_message("the backend gave another number of answers than it got items")
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use futures_util::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Doubles numbers: odd batches of 13 fail, and calls of `outages` before that fail for a while. Calls wait for the
    /// gate.
    #[derive(Clone)]
    struct Double {
        gate: Arc<Semaphore>,
        outages: Arc<Mutex<usize>>,
        calls: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Double {
        fn new(permits: usize, outages: usize) -> Self {
            let calls = Arc::default();
            Self { gate: Arc::new(Semaphore::new(permits)), outages: Arc::new(Mutex::new(outages)), calls }
        }

        fn batcher(&self, patience: Option<Duration>) -> Batcher<u32, u32> {
            Batcher::new(BatchLimits { items: 10, weight: 100, patience }, self.clone())
        }

        fn calls(&self) -> Vec<Vec<u32>> {
            self.calls.lock().unwrap().clone()
        }
    }

    #[async_trait]
    impl Batched for Double {
        type Item = u32;
        type Answer = u32;
        type Key = u32;
        type Beside = ();

        fn key(&self, item: &u32) -> u32 {
            *item
        }

        fn weight(&self, item: &u32) -> usize {
            if *item >= 1_000 { 60 } else { 1 }
        }

        async fn call(&self, items: &[u32], _: &[()]) -> Result<Vec<u32>, BackendError> {
            self.gate.acquire().await.unwrap().forget();
            self.calls.lock().unwrap().push(items.to_vec());
            let mut outages = self.outages.lock().unwrap();
            if *outages > 0 {
                *outages -= 1;
                return Err(BackendError::new(ErrorKind::Unavailable, "double"));
            }
            if items.contains(&13) {
                return Err(BackendError::new(ErrorKind::Invalid, "double"));
            }
            Ok(items.iter().map(|item| item * 2).collect())
        }
    }

    async fn submit(batcher: &Batcher<u32, u32>, items: impl IntoIterator<Item = u32>) -> Vec<Option<u32>> {
        let answers = join_all(items.into_iter().map(|item| batcher.submit(item))).await;
        answers.into_iter().map(Result::ok).collect()
    }

    #[tokio::test]
    async fn what_gathers_while_a_call_is_in_flight_goes_out_together() {
        let double = Double::new(0, 0);
        let batcher = double.batcher(None);
        let (first, rest) = tokio::join!(submit(&batcher, [1]), async {
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            let open = async { double.gate.add_permits(100) };
            tokio::join!(submit(&batcher, 2..=14), open).0
        });
        assert_eq!(first, [Some(2)]);
        assert_eq!(rest[..3], [Some(4), Some(6), Some(8)]);
        // Ten at most; and 13 harms nobody.
        assert_eq!(rest.iter().filter(|answer| answer.is_none()).count(), 1);
        let sizes: Vec<_> = double.calls().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, 10, 3, 1, 1, 1]);
    }

    #[tokio::test]
    async fn one_key_and_too_much_weight_never_share_a_batch() {
        let double = Double::new(100, 0);
        let answers = submit(&double.batcher(None), [1, 2, 1, 3, 1_000, 1_001, 4]).await;
        assert!(answers.iter().all(Option::is_some));
        assert_eq!(double.calls(), [vec![1, 2, 3, 1_000], vec![1, 1_001, 4]]);
    }

    #[tokio::test]
    async fn an_outage_repeats_the_same_batch() {
        let double = Double::new(100, 2);
        assert_eq!(submit(&double.batcher(None), [1, 2]).await, [Some(2), Some(4)]);
        assert_eq!(double.calls(), vec![vec![1, 2]; 3]);
    }

    #[tokio::test]
    async fn patience_ends() {
        let double = Double::new(usize::MAX >> 4, usize::MAX);
        let batcher = double.batcher(Some(Duration::from_millis(30)));
        let error = batcher.submit(1).await.unwrap_err();
        assert!(error.is_transient());
        assert!(double.calls().len() > 1);
    }

    #[tokio::test]
    async fn what_was_submitted_happens_though_nobody_waits_and_an_outage_with_nobody_waiting_ends() {
        let double = Double::new(100, 0);
        let batcher = double.batcher(None);
        let mut abandoned = Box::pin(batcher.submit(1));
        assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(abandoned);
        assert_eq!(submit(&batcher, [2]).await, [Some(4)]);
        assert_eq!(double.calls(), [[1, 2]]);

        let double = Double::new(100, usize::MAX);
        let batcher = double.batcher(None);
        let mut abandoned = Box::pin(batcher.submit(1));
        assert!(abandoned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(abandoned);
        while double.calls().is_empty() {
            tokio::task::yield_now().await;
        }
        *double.outages.lock().unwrap() = 0;
        assert_eq!(submit(&batcher, [2]).await, [Some(4)]);
        assert_eq!(double.calls(), [[1], [2]]);
    }
}
