//! Maps: one durable function over many inputs, in chunks.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::task::NewTask;
use stent_core::{Failure, Payload, limits};

use super::Ctx;
use super::call::{invalid, known};
use super::pending::Pending;
use crate::activation::{Answer, Ask, Given, Request};
use crate::codec;
use crate::function::DurableFunction;
use crate::options::Call;
use crate::registry::Known;

/// A map. Await it for its results.
#[must_use = "a map does nothing until it is awaited"]
pub struct MapOperation<I, S, F> {
    pending: Pending,
    ctx: Ctx,
    known: Option<Arc<Known>>,
    calls: I,
    /// Calls taken from the iterator, skipped ones included.
    position: u32,
    sink: Option<S>,
    function: PhantomData<fn() -> F>,
}

/// Nothing in it is pinned.
impl<I, S, F> Unpin for MapOperation<I, S, F> {}

/// What takes in the results of a map, in input order.
pub trait MapSink: Send {
    /// What the map makes.
    type Output;
    /// The results' type.
    type Item;

    /// Takes in one result.
    ///
    /// # Errors
    /// If an item that may not fail has failed.
    fn take(&mut self, index: usize, item: Result<Self::Item, Failure>) -> Result<(), Failure>;

    /// The state to be journaled with a closed chunk, if it is a fold.
    ///
    /// # Errors
    /// If it does not encode.
    fn state(&self, ctx: &Ctx) -> Result<Option<Payload>, Failure>;

    /// Goes on from a journaled state.
    ///
    /// # Errors
    /// If it does not decode.
    fn restore(&mut self, ctx: &Ctx, state: &Payload) -> Result<(), Failure>;

    /// The map's result.
    fn finish(self) -> Self::Output;
}

/// Collects results; the map fails with the first failure.
#[derive(Debug)]
pub struct Collect<T>(Vec<T>);

/// Collects every item's own result.
#[derive(Debug)]
pub struct Settle<T>(Vec<Result<T, Failure>>);

/// Folds results into a state.
pub struct Fold<T, S, C> {
    state: Option<S>,
    fold: C,
    item: PhantomData<fn(T)>,
}

impl Ctx {
    /// Calls a durable function for every item; results in input order. Input is taken chunk by chunk and at most two chunks are in flight (C-M1, C-M2), so that an iterator
    /// may be longer than memory; its results are held.
    ///
    /// # Errors
    /// The failure that was seen first, with its index; then the open items are cancelled (C-M3).
    pub fn map<I, F>(&self, calls: I) -> MapOperation<I::IntoIter, Collect<F::Output>, F>
    where
        I: IntoIterator<Item = Call<F>>,
        I::IntoIter: Send,
        F: DurableFunction,
    {
        self.map_into(calls, Collect(Vec::new()), false, false)
    }

    /// Like [`map`](Self::map), with every item's own result.
    ///
    /// # Errors
    /// Only if the map itself cannot go on; items' failures are in the results.
    pub fn map_settled<I, F>(&self, calls: I) -> MapOperation<I::IntoIter, Settle<F::Output>, F>
    where
        I: IntoIterator<Item = Call<F>>,
        I::IntoIter: Send,
        F: DurableFunction,
    {
        self.map_into(calls, Settle(Vec::new()), true, false)
    }

    /// Like [`map`](Self::map), with results folded into a state in input order: `|state, index, result| …`. The state is journaled with every closed
    /// chunk, so that neither memory nor a resume grows with what is behind it (C-M2).
    ///
    /// # Errors
    /// As of [`map`](Self::map).
    pub fn map_fold<I, F, S, C>(
        &self,
        calls: I,
        start: S,
        fold: C,
    ) -> MapOperation<I::IntoIter, Fold<F::Output, S, C>, F>
    where
        I: IntoIterator<Item = Call<F>>,
        I::IntoIter: Send,
        F: DurableFunction,
        S: Serialize + DeserializeOwned + Send,
        C: FnMut(S, usize, F::Output) -> S + Send,
    {
        self.map_into(calls, Fold { state: Some(start), fold, item: PhantomData }, false, true)
    }

    fn map_into<I, S, F>(&self, calls: I, sink: S, settled: bool, fold: bool) -> MapOperation<I::IntoIter, S, F>
    where
        I: IntoIterator<Item = Call<F>>,
        F: DurableFunction,
    {
        let activation = self.activation();
        let (pending, known) = match known::<F>(activation) {
            Ok(known) => {
                let request = Request::Map { chunk: None, settled, fold };
                let name = known.name.as_str();
                (Pending::new(activation, OperationKind::Map, name, OperationKey::none(), request), Some(known))
            }
            Err(failure) => (Pending::refused(activation, failure), None),
        };
        MapOperation {
            pending,
            ctx: self.clone(),
            known,
            calls: calls.into_iter(),
            position: 0,
            sink: Some(sink),
            function: PhantomData,
        }
    }
}

impl<I, S, F> MapOperation<I, S, F> {
    /// Sets how many items a chunk has: 1 to 10,000; by default what the worker says. A map that has begun keeps what it began with.
    pub fn chunk(mut self, items: u32) -> Self {
        self.pending.change(|request| {
            if items == 0 || items > limits::CHUNK {
                return Err(invalid(format!("a chunk has 1 to {} items, not {items}", limits::CHUNK)));
            }
            if let Request::Map { chunk, .. } = request {
                *chunk = Some(items);
            }
            Ok(())
        });
        self
    }
}

impl<I, S, F> Future for MapOperation<I, S, F>
where
    I: Iterator<Item = Call<F>> + Send,
    S: MapSink<Item = F::Output>,
    F: DurableFunction,
{
    type Output = Result<S::Output, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match this.pending.poll(cx) {
            Poll::Pending => {
                this.answer();
                Poll::Pending
            }
            Poll::Ready(Given::Failed(failure)) => Poll::Ready(Err(failure)),
            Poll::Ready(given) => {
                if let Given::Absorb(asks) = given {
                    this.take_in(asks)?;
                }
                let sink = this.sink.take().ok_or_else(|| invalid("a map was polled after its end"));
                Poll::Ready(sink.map(MapSink::finish))
            }
        }
    }
}

impl<I, S, F> MapOperation<I, S, F>
where
    I: Iterator<Item = Call<F>> + Send,
    S: MapSink<Item = F::Output>,
    F: DurableFunction,
{
    /// Does what the driver asks, if it asks.
    fn answer(&mut self) {
        let Some(slot) = self.pending.slot() else { return };
        let activation = Arc::clone(self.pending.activation());
        let ask = {
            let mut shared = activation.shared();
            let ask = shared.operations[slot].ask.take();
            shared.inside = ask.as_ref().map(|_| "a map's iterator");
            ask
        };
        let Some(ask) = ask else { return };
        let answer = self.do_ask(ask);
        let mut shared = activation.shared();
        shared.inside = None;
        shared.operations[slot].answer = Some(answer.unwrap_or_else(Answer::Refused));
    }

    /// Takes in the results of a map that ended in an earlier activation.
    fn take_in(&mut self, asks: Vec<Ask>) -> Result<(), Failure> {
        self.ctx.activation().shared().inside = Some("a map's fold");
        let taken = asks.into_iter().try_for_each(|ask| self.do_ask(ask).map(drop));
        self.ctx.activation().shared().inside = None;
        taken
    }

    fn do_ask(&mut self, ask: Ask) -> Result<Answer, Failure> {
        match ask {
            Ask::Produce { first, limit } => self.produce(first, limit).map(Answer::Produced),
            Ask::Absorb { first, results } => self.absorb(first, results).map(Answer::Absorbed),
            Ask::Restore { state } => self.restore(&state).map(Answer::Absorbed),
        }
    }

    fn produce(&mut self, first: u32, limit: u32) -> Result<Vec<NewTask>, Failure> {
        let known = self.known.clone().ok_or_else(|| invalid("a map without a function"))?;
        if let Some(skip) = first.checked_sub(self.position).filter(|skip| *skip > 0) {
            self.calls.nth(usize::try_from(skip - 1).unwrap_or(usize::MAX));
            self.position = first;
        }
        let engine = &self.ctx.activation().engine;
        let (now, trace) = (engine.clock.now(), engine.traces.current());
        let calls = self.calls.by_ref().take(usize::try_from(limit).unwrap_or(usize::MAX));
        let mut tasks = Vec::with_capacity(calls.size_hint().0);
        for call in calls {
            tasks.push(call.into_task(&known, now, self.ctx.codec(), self.ctx.payload_limit(), trace.clone())?);
        }
        self.position = self.position.saturating_add(u32::try_from(tasks.len()).unwrap_or(u32::MAX));
        Ok(tasks)
    }

    fn absorb(&mut self, first: u32, results: Vec<Result<Payload, Failure>>) -> Result<Option<Payload>, Failure> {
        let sink = self.sink.as_mut().ok_or_else(|| invalid("a map was asked after its end"))?;
        let first = usize::try_from(first).unwrap_or(usize::MAX);
        for (at, result) in results.into_iter().enumerate() {
            let item = result
                .and_then(|value| codec::decode(self.ctx.codec(), &value).map_err(|error| codec::corrupt(&error)));
            sink.take(first.saturating_add(at), item)?;
        }
        sink.state(&self.ctx)
    }

    fn restore(&mut self, state: &Payload) -> Result<Option<Payload>, Failure> {
        let sink = self.sink.as_mut().ok_or_else(|| invalid("a map was asked after its end"))?;
        sink.restore(&self.ctx, state).map(|()| None)
    }
}

impl<T: Send> MapSink for Collect<T> {
    type Output = Vec<T>;
    type Item = T;

    fn take(&mut self, _: usize, item: Result<T, Failure>) -> Result<(), Failure> {
        self.0.push(item?);
        Ok(())
    }

    fn state(&self, _: &Ctx) -> Result<Option<Payload>, Failure> {
        Ok(None)
    }

    fn restore(&mut self, _: &Ctx, _: &Payload) -> Result<(), Failure> {
        Ok(())
    }

    fn finish(self) -> Vec<T> {
        self.0
    }
}

impl<T: Send> MapSink for Settle<T> {
    type Output = Vec<Result<T, Failure>>;
    type Item = T;

    fn take(&mut self, _: usize, item: Result<T, Failure>) -> Result<(), Failure> {
        self.0.push(item);
        Ok(())
    }

    fn state(&self, _: &Ctx) -> Result<Option<Payload>, Failure> {
        Ok(None)
    }

    fn restore(&mut self, _: &Ctx, _: &Payload) -> Result<(), Failure> {
        Ok(())
    }

    fn finish(self) -> Self::Output {
        self.0
    }
}

impl<T, S, C> MapSink for Fold<T, S, C>
where
    S: Serialize + DeserializeOwned + Send,
    C: FnMut(S, usize, T) -> S + Send,
{
    type Output = S;
    type Item = T;

    fn take(&mut self, index: usize, item: Result<T, Failure>) -> Result<(), Failure> {
        let item = item?;
        let state = self.state.take().ok_or_else(|| invalid("the fold of a map panicked before"))?;
        self.state = Some((self.fold)(state, index, item));
        Ok(())
    }

    fn state(&self, ctx: &Ctx) -> Result<Option<Payload>, Failure> {
        let state = self.state.as_ref().ok_or_else(|| invalid("the fold of a map panicked before"))?;
        Ok(Some(codec::encode(ctx.codec(), ctx.payload_limit(), state)?))
    }

    fn restore(&mut self, ctx: &Ctx, state: &Payload) -> Result<(), Failure> {
        self.state = Some(codec::decode(ctx.codec(), state).map_err(|error| codec::corrupt(&error))?);
        Ok(())
    }

    #[expect(clippy::expect_used, reason = "`take` fails before the state could be missing")]
    fn finish(self) -> S {
        self.state.expect("a fold always has its state")
    }
}
