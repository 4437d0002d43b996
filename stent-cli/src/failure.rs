//! What went wrong, in one line with a code. The first digit of the code is the exit code, 7 aside, which is 70: a defect.

use std::fmt;

use stent_core::error::ErrorKind;
use stent_core::{BackendError, ExecutionId};
use stent_executor::StentError;

use crate::{print, secret};

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u16,
    text: String,
}

impl Failure {
    fn new(code: u16, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// An argument that is refused.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(2001, text)
    }

    /// A change that nobody confirmed.
    pub(crate) fn unconfirmed(text: impl Into<String>) -> Self {
        Self::new(2002, text)
    }

    pub(crate) fn not_found(kind: &str, id: impl fmt::Display) -> Self {
        Self::new(3001, format!("there is no {kind} {id}; it may have been deleted by retention"))
    }

    pub(crate) fn conflict(text: impl Into<String>) -> Self {
        Self::new(3002, text)
    }

    pub(crate) fn already(execution: ExecutionId, state: impl fmt::Display) -> Self {
        Self::conflict(format!("execution {execution} is {state} already; nothing was changed"))
    }

    pub(crate) fn unavailable(text: impl Into<String>) -> Self {
        Self::new(4001, text)
    }

    pub(crate) fn schema(text: impl Into<String>) -> Self {
        Self::new(5001, text)
    }

    pub(crate) fn bug(text: impl Into<String>) -> Self {
        Self::new(7001, text)
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> u8 {
        match self.code / 1_000 {
            2 => 2,
            3 => 3,
            4 => 4,
            5 => 5,
            _ => 70,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[STENT-{:04}]: {}", self.code, print::escaped(&secret::without(&self.text)))
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let text = error.to_string();
        match error.kind() {
            ErrorKind::SchemaMismatch { found, supported } if found > supported => {
                Self::schema(format!("{text}; use a newer `stent`"))
            }
            ErrorKind::SchemaMismatch { found: 0, .. } => {
                Self::schema(format!("{text}; `stent migrate --create` makes it"))
            }
            ErrorKind::SchemaMismatch { .. } => Self::schema(format!("{text}; `stent migrate` brings it up to date")),
            ErrorKind::NotStent => Self::new(5002, format!("{text}; name another database")),
            ErrorKind::Unavailable | ErrorKind::Closed => {
                Self::unavailable(format!("{text}; check the address, and that the server runs"))
            }
            ErrorKind::Busy => Self::new(4002, format!("{text}; try again")),
            ErrorKind::Full | ErrorKind::ReadOnly => Self::new(4003, format!("{text}; nothing was changed")),
            ErrorKind::Unsupported => Self::new(4004, text),
            ErrorKind::Corrupt => Self::new(4005, text),
            ErrorKind::CorruptRow { .. } => Self::new(4006, format!("{text}; restore it from a backup")),
            ErrorKind::Invalid => Self::usage(text),
            _ => Self::bug(text),
        }
    }
}

impl From<StentError> for Failure {
    fn from(error: StentError) -> Self {
        match error {
            StentError::Backend(error) => error.into(),
            StentError::NotFound { kind, id } => Self::not_found(kind, id),
            StentError::AlreadyFinal { execution, state } => Self::already(execution, state),
            StentError::Redrive(_) | StentError::KeyConflict { .. } => Self::conflict(error.to_string()),
            StentError::Name(_) | StentError::Value(_) | StentError::Call(_) => Self::usage(error.to_string()),
            error => Self::bug(error.to_string()),
        }
    }
}
