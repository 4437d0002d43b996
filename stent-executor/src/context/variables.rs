//! Counters, values and notes of an execution (C-V1, C-V2).

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::name::VariableName;
use stent_core::operation::{OperationKey, OperationKind};
use stent_core::retry::ErrorClass;
use stent_core::variable::{VariableChange, Variables};
use stent_core::{Failure, Payload, limits};

use super::Ctx;
use super::call::invalid;
use super::pending::Pending;
use crate::activation::{Given, Request};
use crate::codec;

/// A counter of the execution.
#[derive(Debug, Clone)]
pub struct Counter {
    ctx: Ctx,
    name: VariableName,
}

/// A value of the execution.
#[derive(Debug, Clone)]
pub struct Value<T> {
    ctx: Ctx,
    name: VariableName,
    value: PhantomData<fn() -> T>,
}

/// A read of a counter or value: an operation, journaled like a step. Await it.
#[must_use = "a read does nothing until it is awaited"]
pub struct ReadOperation<T> {
    pending: Pending,
    read: fn(&Ctx, &Payload) -> Result<T, Failure>,
    ctx: Ctx,
}

/// What a read reads.
#[derive(Debug, Clone)]
pub(crate) enum ReadRequest {
    Counter(VariableName),
    Value(VariableName),
}

impl Ctx {
    /// A counter of the execution, shared by all its tasks; it begins at zero.
    ///
    /// # Errors
    /// If the name is none.
    pub fn counter(&self, name: impl AsRef<str>) -> Result<Counter, Failure> {
        Ok(Counter { ctx: self.clone(), name: VariableName::new(name)? })
    }

    /// A value of the execution, shared by all its tasks.
    ///
    /// # Errors
    /// If the name is none.
    pub fn value<T: Serialize + DeserializeOwned>(&self, name: impl AsRef<str>) -> Result<Value<T>, Failure> {
        Ok(Value { ctx: self.clone(), name: VariableName::new(name)?, value: PhantomData })
    }

    /// Notes what the function is at, for an operator to read. Written with the task's next write.
    ///
    /// A note has at most 16 KiB; control characters become spaces. Outside of the function itself, in a step say, it is dropped with a warning.
    pub fn progress(&self, note: impl AsRef<str>) {
        let note = note.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c });
        let mut length = 0;
        let note: String = note
            .take_while(|c| {
                length += c.len_utf8();
                length <= limits::MESSAGE
            })
            .collect();
        if self.is_in_place() {
            self.activation().shared().notes.push(note);
        } else {
            tracing::warn!("progress() outside of the durable function itself is dropped");
        }
    }

    fn change(&self, change: VariableChange) -> Result<(), Failure> {
        if !self.is_in_place() {
            let text = "a counter or value was changed in a step, a map's iterator or a spawned task; change it in the durable function itself";
            return Err(Failure::new(ErrorClass::out_of_place(), text));
        }
        self.activation().shared().variables.push(change);
        Ok(())
    }

    fn read<T>(
        &self,
        request: ReadRequest,
        key: &str,
        read: fn(&Ctx, &Payload) -> Result<T, Failure>,
    ) -> ReadOperation<T> {
        let (ReadRequest::Counter(name) | ReadRequest::Value(name)) = &request;
        let key = OperationKey::from_bytes(key.as_bytes());
        let pending =
            Pending::new(self.activation(), OperationKind::Read, name.as_str(), key, Request::Read(request.clone()));
        ReadOperation { pending, read, ctx: self.clone() }
    }
}

impl Counter {
    /// Adds to the counter, once, in program order, with the task's next write (C-V1). It saturates.
    ///
    /// # Errors
    /// Class `OutOfPlace` outside of the function itself (C-R8).
    pub fn add(&self, amount: i64) -> Result<(), Failure> {
        self.ctx.change(VariableChange::Add(self.name.clone(), amount))
    }

    /// Makes the counter with this number, unless it exists.
    ///
    /// # Errors
    /// Class `OutOfPlace` outside of the function itself (C-R8).
    pub fn init(&self, number: i64) -> Result<(), Failure> {
        self.ctx.change(VariableChange::InitCounter(self.name.clone(), number))
    }

    /// Reads the counter, with all that this task changed before.
    pub fn get(&self) -> ReadOperation<i64> {
        self.ctx.read(ReadRequest::Counter(self.name.clone()), "counter", |_, payload| {
            serde_json::from_slice(payload.as_bytes()).map_err(Failure::from)
        })
    }
}

impl<T: Serialize + DeserializeOwned> Value<T> {
    /// Sets the value, in program order, with the task's next write (C-V1).
    ///
    /// # Errors
    /// If it does not encode; class `OutOfPlace` outside of the function itself (C-R8).
    pub fn set(&self, value: &T) -> Result<(), Failure> {
        let value = codec::encode(self.ctx.codec(), self.ctx.payload_limit(), value)?;
        self.ctx.change(VariableChange::Set(self.name.clone(), value))
    }

    /// Makes the value, unless it exists.
    ///
    /// # Errors
    /// If it does not encode; class `OutOfPlace` outside of the function itself (C-R8).
    pub fn init(&self, value: &T) -> Result<(), Failure> {
        let value = codec::encode(self.ctx.codec(), self.ctx.payload_limit(), value)?;
        self.ctx.change(VariableChange::InitValue(self.name.clone(), value))
    }

    /// Reads the value, with all that this task changed before; `None` if there is none.
    pub fn get(&self) -> ReadOperation<Option<T>> {
        self.ctx.read(ReadRequest::Value(self.name.clone()), "value", |ctx, payload| match payload.as_bytes() {
            [PRESENT, value @ ..] => {
                codec::decode(ctx.codec(), &value.into()).map(Some).map_err(|error| codec::corrupt(&error))
            }
            _ => Ok(None),
        })
    }
}

/// Before a value that was read; nothing stands for none.
const PRESENT: u8 = 1;

/// What a read journals.
pub(crate) fn read_payload(request: &ReadRequest, variables: &Variables) -> Payload {
    match request {
        ReadRequest::Counter(name) => {
            variables.counters.get(name).copied().unwrap_or(0).to_string().into_bytes().into()
        }
        ReadRequest::Value(name) => match variables.values.get(name) {
            Some(value) => [&[PRESENT], value.as_bytes()].concat().into(),
            None => Payload::default(),
        },
    }
}

impl<T> Future for ReadOperation<T> {
    type Output = Result<T, Failure>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        Poll::Ready(match ready!(this.pending.poll(cx)) {
            Given::Value(payload) => (this.read)(&this.ctx, &payload),
            Given::Failed(failure) => Err(failure),
            Given::Elapsed | Given::Done | Given::Absorb(_) => Err(invalid("a read has no timeout")),
        })
    }
}
