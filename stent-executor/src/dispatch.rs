//! Dispatch: calls become executions, and executions give their results.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::backend::{RedriveTarget, Watch};
use stent_core::commit::Dispatched;
use stent_core::execution::{ExecutionState, ExecutionStatus, NewExecution};
use stent_core::outcome::Outcome;
use stent_core::time::IntoDuration;
use stent_core::{Backend, BackendError, Clock, ExecutionId};
use tracing::Instrument as _;

use crate::batch::Batched;
use crate::codec;
use crate::error::{ExecutionError, StentError};
use crate::function::DurableFunction;
use crate::nudge::Nudges;
use crate::options::Call;
use crate::registry::Registry;
use crate::stent::{Stent, patiently};
use crate::telemetry::{self, metrics};
use crate::worker::{Place, StandingClaims, in_claim_order};

impl Stent {
    /// Dispatches a call: from now on it runs, wherever a worker has its function. Calls dispatched at the same time
    /// share a transaction.
    ///
    /// A call with a dedup key that an execution of the same function and input bears gives that execution (C-K3). A
    /// shared result that is known is the result: nothing runs (C-K1).
    ///
    /// # Errors
    /// [`StentError::Call`], [`StentError::KeyConflict`], [`StentError::Backend`]. If its kind is `Unavailable` the
    /// execution may exist; a dispatch with a dedup key may be repeated.
    pub async fn dispatch<F: DurableFunction>(&self, call: Call<F>) -> Result<Execution<F::Output>, StentError> {
        let span = telemetry::dispatch(F::definition().name);
        let mut new = [span.in_scope(|| self.new_execution(call))?];
        let id = new[0].id;
        telemetry::dispatched(&span, id);
        async {
            self.recall(&mut new).await?;
            let [new] = new;
            let dispatched = self.program.dispatches.submit(new).await?;
            self.dispatched(id, dispatched)
        }
        .instrument(span)
        .await
    }

    /// Dispatches calls of one function in one transaction; gives their executions in the order of the calls.
    ///
    /// # Errors
    /// [`StentError::Call`]: nothing was made. [`StentError::KeyConflict`]: a call's dedup key is another's, the other
    /// calls were made. [`StentError::Backend`]: all of them were made or none; if its kind is `Unavailable`, nobody
    /// knows which.
    pub async fn dispatch_all<F: DurableFunction>(
        &self,
        calls: impl IntoIterator<Item = Call<F>>,
    ) -> Result<Vec<Execution<F::Output>>, StentError> {
        let span = telemetry::dispatch(F::definition().name);
        let new =
            span.in_scope(|| calls.into_iter().map(|call| self.new_execution(call)).collect::<Result<Vec<_>, _>>());
        let mut new = new?;
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let program = &self.program;
        let answers = async {
            self.recall(&mut new).await?;
            Ok::<_, StentError>(patiently(BackendError::is_transient, || program.dispatcher.call(&new, &[])).await?)
        };
        let answers = answers.instrument(span).await?;
        new.iter().zip(answers).map(|(new, dispatched)| self.dispatched(new.id, dispatched)).collect()
    }

    /// The execution that a call becomes, not dispatched: for backends that dispatch in a transaction of yours.
    ///
    /// # Errors
    /// [`StentError::Call`], [`StentError::Registry`].
    pub fn prepare<F: DurableFunction>(&self, call: Call<F>) -> Result<NewExecution, StentError> {
        let span = telemetry::dispatch(F::definition().name);
        let new = span.in_scope(|| self.new_execution(call))?;
        telemetry::dispatched(&span, new.id);
        Ok(new)
    }

    fn new_execution<F: DurableFunction>(&self, call: Call<F>) -> Result<NewExecution, StentError> {
        let program = &self.program;
        let known = match program.registry.known::<F>() {
            Err(_) if program.allows_remote => Registry::remote::<F>()?,
            known => known?,
        };
        let (now, trace) = (program.clock.now(), program.traces.current());
        Ok(call.into_execution(&known, now, &*program.codec, program.payload_limit, trace)?)
    }

    /// The execution of this id, whose function returns a `T`. Whether it exists is seen when it is asked for
    /// something.
    #[must_use]
    pub fn execution<T>(&self, id: ExecutionId) -> Execution<T> {
        Execution { stent: self.clone(), id, output: PhantomData }
    }

    /// Looks up the shared results of calls that have one (C-K1).
    async fn recall(&self, new: &mut [NewExecution]) -> Result<(), StentError> {
        let keys: Vec<_> = new.iter().filter_map(|new| new.task.memo.map(|memo| memo.key)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let (backend, clock) = (&self.program.backend, &self.program.clock);
        let found = patiently(BackendError::is_transient, || backend.recall(clock.now(), &keys)).await?;
        let shared = new.iter_mut().filter(|new| new.task.memo.is_some());
        shared.zip(found).for_each(|(new, result)| new.born = result);
        Ok(())
    }

    pub(crate) fn dispatched<T>(&self, id: ExecutionId, answer: Dispatched) -> Result<Execution<T>, StentError> {
        match answer {
            Dispatched::Created => Ok(self.execution(id)),
            Dispatched::Existing(existing) => Ok(self.execution(existing)),
            Dispatched::Conflict(existing) => Err(StentError::KeyConflict { existing }),
        }
    }
}

/// An execution whose function returns a `T`. Cheap to clone; to drop it changes nothing.
pub struct Execution<T> {
    stent: Stent,
    id: ExecutionId,
    output: PhantomData<fn() -> T>,
}

impl<T> Execution<T> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> ExecutionId {
        self.id
    }

    pub(crate) fn stent(&self) -> &Stent {
        &self.stent
    }

    /// Its present state.
    ///
    /// # Errors
    /// [`ExecutionError::NotFound`], [`ExecutionError::Backend`].
    pub async fn status(&self) -> Result<ExecutionState, ExecutionError> {
        let ids = [self.id];
        let backend = &self.stent.program.backend;
        let statuses = patiently(BackendError::is_transient, || backend.executions(&ids)).await?;
        match statuses.into_iter().next() {
            None | Some(ExecutionStatus::Unknown) => Err(ExecutionError::NotFound),
            Some(ExecutionStatus::Open(state)) => Ok(state),
            Some(ExecutionStatus::Ended(ended)) => Ok(match ended.outcome {
                Outcome::Completed(_) => ExecutionState::Completed,
                Outcome::Failed(_) => ExecutionState::Failed,
                Outcome::TimedOut => ExecutionState::TimedOut,
                Outcome::Cancelled => ExecutionState::Cancelled,
            }),
        }
    }

    /// Cancels it, with all that it has caused (C-X1); see [`Stent::cancel`].
    ///
    /// # Errors
    /// As [`Stent::cancel`].
    pub async fn cancel(&self) -> Result<(), StentError> {
        self.stent.cancel(self.id).await
    }

    /// Sends it a signal; see [`Stent::signal`].
    ///
    /// # Errors
    /// As [`Stent::signal`].
    pub async fn signal<V: Serialize + ?Sized>(&self, name: impl AsRef<str>, value: &V) -> Result<(), StentError> {
        self.stent.signal(self.id, name, value).await
    }

    /// Takes it up again from what it failed with (C-Y5); see [`Stent::redrive`].
    ///
    /// # Errors
    /// As [`Stent::redrive`].
    pub async fn redrive(&self) -> Result<(), StentError> {
        self.stent.redrive(RedriveTarget::Execution(self.id)).await
    }

    /// Waits until it has ended; outages of the store are waited for, too.
    async fn outcome(&self) -> Result<Outcome, ExecutionError> {
        let program = &self.stent.program;
        let mut watcher = program.news.watcher();
        let mut is_told = true;
        loop {
            // Watched before it is asked for, so that no end falls between.
            watcher.add(0, Watch::Execution(self.id), true);
            // What runs here is open, and tells its end, or that it is no longer its own.
            if !(is_told && program.standing.runs(self.id.root())) {
                match program.statuses.submit(self.id).await? {
                    ExecutionStatus::Unknown => return Err(ExecutionError::NotFound),
                    ExecutionStatus::Ended(ended) => return Ok(ended.outcome),
                    ExecutionStatus::Open(_) => {}
                }
            }
            if let Some(ended) = watcher.next().await.ended {
                return Ok(ended.outcome);
            }
            // Somebody else has ended it, perhaps.
            is_told = false;
        }
    }
}

impl<T: DeserializeOwned> Execution<T> {
    /// Waits for its result, for as long as it takes. Outages of the store are waited for, too.
    ///
    /// # Errors
    /// How it ended if not well; [`ExecutionError::NotFound`], [`ExecutionError::Decode`], [`ExecutionError::Backend`].
    pub async fn result(&self) -> Result<T, ExecutionError> {
        match self.outcome().await? {
            Outcome::Completed(output) => {
                codec::decode(&*self.stent.program.codec, &output).map_err(ExecutionError::Decode)
            }
            Outcome::Failed(failure) => Err(ExecutionError::Failed(failure)),
            Outcome::TimedOut => Err(ExecutionError::TimedOut),
            Outcome::Cancelled => Err(ExecutionError::Cancelled),
        }
    }

    /// Waits for its result, but no longer than this; zero waits for ever (C-T1).
    ///
    /// # Errors
    /// [`ExecutionError::Elapsed`]: it goes on unharmed (C-T2). [`ExecutionError::InvalidTimeout`]. As
    /// [`Execution::result`] otherwise.
    pub async fn wait(&self, timeout: impl IntoDuration) -> Result<T, ExecutionError> {
        let timeout = timeout.into_duration().map_err(ExecutionError::InvalidTimeout)?;
        if timeout.is_zero() {
            return self.result().await;
        }
        let clock = &self.stent.program.clock;
        tokio::select! {
            biased;
            result = self.result() => result,
            () = clock.wait_until(clock.now().after(timeout)) => Err(ExecutionError::Elapsed),
        }
    }
}

impl<T> Clone for Execution<T> {
    fn clone(&self) -> Self {
        Self { stent: self.stent.clone(), id: self.id, output: PhantomData }
    }
}

impl<T> fmt::Debug for Execution<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Execution").field(&self.id).finish()
    }
}

/// Dispatches that share a transaction.
#[derive(Clone)]
pub(crate) struct Dispatches {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) nudges: Arc<Nudges>,
    pub(crate) standing: Arc<StandingClaims>,
}

#[async_trait]
impl Batched for Dispatches {
    type Item = NewExecution;
    type Answer = Dispatched;
    type Key = ExecutionId;
    type Beside = Option<Place>;

    fn key(&self, new: &NewExecution) -> ExecutionId {
        new.id
    }

    fn prepare(&self, new: &mut [NewExecution], places: &mut [Option<Place>]) {
        // A key that another transaction is about to bear is waited for: nobody waits with it in a slot.
        if new.iter().any(|new| new.dedup.is_some()) {
            return;
        }
        for at in in_claim_order(new.iter().map(|new| &new.task)) {
            let (Some(new), Some(place)) = (new.get_mut(at), places.get_mut(at)) else { continue };
            if new.born.is_none() {
                *place = self.standing.place_for(new.id.root(), &new.task);
                new.task.claim = place.as_ref().map(Place::claim);
            }
        }
    }

    async fn call(&self, new: &[NewExecution], places: &[Option<Place>]) -> Result<Vec<Dispatched>, BackendError> {
        let now = self.clock.now();
        places.iter().flatten().for_each(|place| place.ask(now));
        let has_free = new.iter().any(|new| new.task.due <= now && new.task.claim.is_none());
        if has_free {
            self.nudges.making();
        }
        let answers = self.backend.dispatch(now, new).await?;
        for (new, _) in new.iter().zip(&answers).filter(|(_, answer)| **answer == Dispatched::Created) {
            metrics::dispatched(&new.task.function);
        }
        for ((new, place), answer) in new.iter().zip(places).zip(&answers) {
            match (place, answer) {
                (Some(place), Dispatched::Created) => place.begin(&new.task, new.id, None),
                (Some(place), _) => place.leave(),
                (None, _) => {}
            }
        }
        if has_free {
            self.nudges.tasks_ready();
        }
        for new in new {
            if new.task.due > now {
                self.nudges.due(new.task.due);
            }
            if let Some(deadline) = new.deadline() {
                self.nudges.deadline(deadline);
            }
        }
        Ok(answers)
    }
}

/// States of executions, read for all that begin to wait at the same time.
pub(crate) struct Statuses(Arc<dyn Backend>);

impl Statuses {
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self(backend)
    }
}

#[async_trait]
impl Batched for Statuses {
    type Item = ExecutionId;
    type Answer = ExecutionStatus;
    type Key = ExecutionId;
    type Beside = ();

    fn key(&self, execution: &ExecutionId) -> ExecutionId {
        *execution
    }

    async fn call(&self, executions: &[ExecutionId], _: &[()]) -> Result<Vec<ExecutionStatus>, BackendError> {
        self.0.executions(executions).await
    }
}
