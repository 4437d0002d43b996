//! The future that all operations share: made at its first poll, ready once its outcome is given, abandoned when dropped.

use std::sync::Arc;
use std::task::{Context, Poll};

use stent_core::Failure;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::retry::ErrorClass;

use crate::activation::{Activation, Given, Operation, Phase, Request};

/// An operation's future, without the type of its outcome.
pub(crate) struct Pending {
    activation: Arc<Activation>,
    stage: Stage,
}

enum Stage {
    New {
        kind: OperationKind,
        name: Arc<str>,
        key: OperationKey,
        created: u64,
        request: Request,
    },
    /// The operation is never made; what was wrong with it depends on the code alone.
    Refused(Failure),
    Made(usize),
    Done,
}

impl Pending {
    /// A future that has not been polled. Equals are numbered in the order in which these are created (C-R2).
    pub(crate) fn new(
        activation: &Arc<Activation>,
        kind: OperationKind,
        name: impl Into<Arc<str>>,
        key: OperationKey,
        request: Request,
    ) -> Self {
        let created = {
            let mut shared = activation.shared();
            shared.created += 1;
            shared.created
        };
        Self {
            activation: Arc::clone(activation),
            stage: Stage::New { kind, name: name.into(), key, created, request },
        }
    }

    /// A future that fails.
    pub(crate) fn refused(activation: &Arc<Activation>, failure: Failure) -> Self {
        Self { activation: Arc::clone(activation), stage: Stage::Refused(failure) }
    }

    /// Changes what is asked for, before the first poll.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Request) -> Result<(), Failure>) {
        if let Stage::New { request, .. } = &mut self.stage
            && let Err(failure) = change(request)
        {
            self.stage = Stage::Refused(failure);
        }
    }

    /// Sets the key, before the first poll.
    pub(crate) fn rekey(&mut self, new: Result<OperationKey, Failure>) {
        match (&mut self.stage, new) {
            (Stage::New { key, .. }, Ok(new)) => *key = new,
            (stage @ Stage::New { .. }, Err(failure)) => *stage = Stage::Refused(failure),
            _ => {}
        }
    }

    pub(crate) fn activation(&self) -> &Arc<Activation> {
        &self.activation
    }

    /// The operation's slot, once it is made and until its outcome is taken.
    pub(crate) fn slot(&self) -> Option<usize> {
        match self.stage {
            Stage::Made(slot) => Some(slot),
            _ => None,
        }
    }

    /// Makes the operation at the first poll; ready once its outcome was given, which is never at that poll (C-R5).
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Given> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Refused(failure) => Poll::Ready(Given::Failed(failure)),
            Stage::New { kind, name, key, created, request } => {
                let mut shared = self.activation.shared();
                let here = shared.polling.is_some_and(|(thread, _)| thread == std::thread::current().id());
                if !here || shared.inside.is_some() {
                    let place = shared.inside.filter(|_| here).unwrap_or("a spawned task, or after the function's run");
                    return Poll::Ready(Given::Failed(out_of_place(kind, place)));
                }
                let slot = shared.make(kind, name, key, created, request);
                self.wait(&mut shared.operations[slot], cx);
                drop(shared);
                self.stage = Stage::Made(slot);
                Poll::Pending
            }
            Stage::Made(slot) => {
                let mut shared = self.activation.shared();
                let operation = &mut shared.operations[slot];
                if let Some(given) = operation.given.take() {
                    return Poll::Ready(given);
                }
                self.wait(operation, cx);
                drop(shared);
                self.stage = Stage::Made(slot);
                Poll::Pending
            }
            Stage::Done => Poll::Pending,
        }
    }

    fn wait(&self, operation: &mut Operation, cx: &Context<'_>) {
        operation.is_queued = cx.waker().data() != Arc::as_ptr(&self.activation.wake).cast();
        operation.waker = Some(cx.waker().clone());
    }
}

impl Drop for Pending {
    /// Dropping a future before its outcome abandons the operation, as of this turn (C-R9), unless the function leaves memory.
    fn drop(&mut self) {
        if let Stage::Made(slot) = self.stage {
            let mut shared = self.activation.shared();
            if !shared.leaving && shared.open.contains(&slot) {
                shared.close(slot, Phase::Dropped);
                shared.dropped.push(slot);
            }
        }
    }
}

/// The failure of an operation that was polled where its outcome could not be replayed (C-R8).
pub(crate) fn out_of_place(kind: OperationKind, place: &str) -> Failure {
    let text = format!("a {kind} was made in {place}; operations belong into the durable function itself");
    Failure::new(ErrorClass::out_of_place(), text)
}
