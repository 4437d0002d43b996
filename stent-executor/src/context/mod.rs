//! The context of a durable function: its operations.

mod call;
mod map;
mod patch;
mod pending;
mod signal;
mod sleep;
mod step;
mod values;
mod variables;

use std::fmt;
use std::sync::Arc;

pub use call::{CallOperation, DispatchOperation};
pub use map::{MapOperation, MapSink};
pub use signal::{SignalOperation, SignalOrTimeout};
pub use sleep::SleepOperation;
use stent_core::retry::ErrorClass;
use stent_core::{ExecutionId, Failure, TaskId};
pub use step::StepOperation;
pub use variables::{Counter, ReadOperation, Value};
pub(crate) use variables::{ReadRequest, read_payload};

use crate::activation::Activation;
use crate::codec::Codec;

/// What a durable function does its durable work through. Cheap to clone; it belongs to one run of one task.
///
/// Operations are futures: lazy until awaited, and free to be joined, selected and dropped like any other. They are legal only where the
/// function itself is polled; from a spawned task, inside of a step or of a map's iterator they fail with class `OutOfPlace` (C-R8).
#[derive(Clone)]
pub struct Ctx(Arc<Activation>);

impl Ctx {
    pub(crate) fn new(activation: Arc<Activation>) -> Self {
        Self(activation)
    }

    /// True where the function itself is polled, and nothing that it hands out (C-R8).
    pub(crate) fn is_in_place(&self) -> bool {
        let shared = self.0.shared();
        shared.inside.is_none() && shared.polling.is_some_and(|(thread, _)| thread == std::thread::current().id())
    }

    pub(crate) fn activation(&self) -> &Arc<Activation> {
        &self.0
    }

    pub(crate) fn codec(&self) -> &dyn Codec {
        &*self.0.engine.codec
    }

    pub(crate) fn payload_limit(&self) -> usize {
        self.0.engine.settings.payload_limit
    }

    /// The execution that this function is part of.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        self.0.task.execution
    }

    /// The task that this function runs as.
    #[must_use]
    pub fn task(&self) -> TaskId {
        self.0.task.claim.task
    }

    /// The attempt that this is, from 1; replays are no attempts (C-Y4).
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.0.task.attempt
    }

    /// A text that is the same in every run of this task and that no other task has: for systems that know idempotency keys.
    #[must_use]
    pub fn idempotency_token(&self) -> String {
        self.0.task.claim.task.to_string()
    }

    /// What the program was built with, by type: `Stent::builder(…).resource(value)`.
    ///
    /// # Errors
    /// A failure of class `MissingResource` if the program has no value of this type.
    pub fn resource<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, Failure> {
        self.0.engine.resources.get::<T>().ok_or_else(|| {
            let text =
                format!("this program has no resource {}; add it by .resource(value)", std::any::type_name::<T>());
            Failure::new(ErrorClass::missing_resource(), text)
        })
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("execution", &self.execution()).field("task", &self.task()).finish()
    }
}
