//! What a function does through its context, and how it is told apart from everything else the function does (C-R2).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::name::{self, InvalidName};
use crate::payload::Fingerprint;

/// The kinds of operations. The numbers are part of children's ids and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[repr(u8)]
pub enum OperationKind {
    /// A closure run in this process.
    Step = 0,
    /// A child task.
    Call = 1,
    /// A durable timer.
    Sleep = 2,
    /// A wait for a signal.
    Signal = 3,
    /// Children over an iterator.
    Map = 4,
    /// An execution of its own.
    Dispatch = 5,
    /// A mark that code was changed.
    Patch = 6,
    /// Reading variables of the execution.
    Read = 7,
}

impl OperationKind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::Step, Self::Call, Self::Sleep, Self::Signal, Self::Map, Self::Dispatch, Self::Patch, Self::Read];

    /// The kind's stored text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Call => "call",
            Self::Sleep => "sleep",
            Self::Signal => "signal",
            Self::Map => "map",
            Self::Dispatch => "dispatch",
            Self::Patch => "patch",
            Self::Read => "read",
        }
    }

    /// The kind of this stored text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// True if the operation leaves a record in the turn that makes it; the others leave none until they end (C-R4).
    #[must_use]
    pub const fn is_recorded_when_made(self) -> bool {
        !matches!(self, Self::Step | Self::Read)
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What tells operations of one turn, kind and name apart: a call's input, the key that code gives a step, or nothing.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationKey(Arc<[u8]>);

impl OperationKey {
    /// No key.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::from([]))
    }

    /// A key that code gives.
    ///
    /// # Errors
    /// [`InvalidName`] if it is empty, longer than [`limits::KEY`] bytes or has control characters.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidName> {
        name::check("operation key", text.as_ref(), limits::KEY)?;
        Ok(Self(text.as_ref().as_bytes().into()))
    }

    /// The key of these stored bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// The stored bytes; none if there is no key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// True if there is no key.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Fingerprint> for OperationKey {
    fn from(fingerprint: Fingerprint) -> Self {
        Self(fingerprint.as_bytes().as_slice().into())
    }
}

impl fmt::Debug for OperationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(&self.0) {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => {
                self.0.iter().take(6).try_for_each(|byte| write!(f, "{byte:02x}"))?;
                f.write_str("…")
            }
        }
    }
}

/// The identity of an operation within one generation of a task's journal (C-R2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId {
    /// The turn that made it.
    pub turn: u32,
    /// Its kind.
    pub kind: OperationKind,
    /// The function's name of a call or map, the signal's, the step's; empty for a sleep.
    pub name: Arc<str>,
    /// Its key, if its kind has one.
    pub key: OperationKey,
    /// Its number among equals, in the order their futures were created.
    pub number: u32,
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if !self.name.is_empty() {
            write!(f, " {}", self.name)?;
        }
        if !self.key.is_none() {
            write!(f, " [{:?}]", self.key)?;
        }
        if self.number > 0 {
            write!(f, " #{}", self.number)?;
        }
        Ok(())
    }
}
