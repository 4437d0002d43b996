//! What clients and workers answer when they cannot do what they were asked.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use stent_core::commit::RefusedRedrive;
use stent_core::error::ErrorKind;
use stent_core::execution::ExecutionState;
use stent_core::name::InvalidName;
use stent_core::time::DurationTextError;
use stent_core::{BackendError, ExecutionId, Failure};

use crate::codec::CodecError;
use crate::options::InvalidCall;
use crate::registry::InvalidRegistry;

/// Why a client or worker could not do what it was asked. Nothing was changed, unless the variant says otherwise.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StentError {
    /// The registered functions contradict each other or break a rule.
    #[error(transparent)]
    Registry(#[from] InvalidRegistry),
    /// The call cannot be made.
    #[error(transparent)]
    Call(#[from] InvalidCall),
    /// A setting breaks its rule.
    #[error("invalid {field}: it {rule}")]
    InvalidConfig {
        /// The setting.
        field: &'static str,
        /// What it must be.
        rule: String,
    },
    /// A name breaks a rule.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A value cannot be encoded.
    #[error(transparent)]
    Value(#[from] CodecError),
    /// The dedup key belongs to an execution of another function or input (C-K3).
    #[error("the dedup key belongs to execution {existing}, which has another function or input; use another key")]
    KeyConflict {
        /// The execution that bears the key.
        existing: ExecutionId,
    },
    /// There is nothing of this id, or retention has deleted it.
    #[error("there is no {kind} {id}")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The execution has ended (C-S3, C-X3).
    #[error("execution {execution} is {state} already")]
    AlreadyFinal {
        /// The execution.
        execution: ExecutionId,
        /// How it ended.
        state: ExecutionState,
    },
    /// A redrive was refused (C-Y5).
    #[error("refused redrive: {0}")]
    Redrive(#[from] RefusedRedrive),
    /// The store is in trouble. If its kind is [`ErrorKind::Unavailable`] the change may or may not have been made, and
    /// may be repeated.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The operating system gave the worker no thread for its heartbeat.
    #[error("the worker's heartbeat cannot be started: {0}")]
    Heartbeat(Arc<io::Error>),
}

impl StentError {
    pub(crate) fn invalid(field: &'static str, rule: impl Into<String>) -> Self {
        Self::InvalidConfig { field, rule: rule.into() }
    }

    pub(crate) fn not_found(kind: &'static str, id: impl fmt::Display) -> Self {
        Self::NotFound { kind, id: id.to_string() }
    }
}

/// Why an execution has no result, or none yet.
///
/// As the source of another error it passes the failure on, so that its origin is kept (C-Y5).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ExecutionError {
    /// Its function failed for good.
    Failed(Failure),
    /// Its deadline passed (C-T3).
    TimedOut,
    /// It was cancelled.
    Cancelled,
    /// The wait elapsed; the execution goes on (C-T2).
    Elapsed,
    /// There is no such execution, or retention has deleted it.
    NotFound,
    /// Its result is no value of the expected type.
    Decode(CodecError),
    /// The bound of the wait is no duration.
    InvalidTimeout(DurationTextError),
    /// The store is in trouble that does not pass by itself.
    Backend(BackendError),
}

impl ExecutionError {
    /// The failure, if the function failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl fmt::Display for ExecutionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(f, "the execution failed: {failure}"),
            Self::TimedOut => f.write_str("the execution's deadline passed"),
            Self::Cancelled => f.write_str("the execution was cancelled"),
            Self::Elapsed => f.write_str("the wait elapsed; the execution goes on"),
            Self::NotFound => f.write_str("there is no such execution, or retention has deleted it"),
            Self::Decode(error) => write!(f, "the execution's result cannot be read: {error}"),
            Self::InvalidTimeout(error) => write!(f, "invalid timeout: {error}"),
            Self::Backend(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl Error for ExecutionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(&**failure),
            Self::Backend(error) => error.source(),
            _ => None,
        }
    }
}

impl From<BackendError> for ExecutionError {
    fn from(error: BackendError) -> Self {
        Self::Backend(error)
    }
}

/// Tasks that did not finish in time when a worker stopped. They were released and go on elsewhere; a program says so by
/// its exit code, `ExitCode::from(unfinished)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tasks} running tasks did not finish in time and were released; other workers go on with them")]
pub struct Unfinished {
    /// How many.
    pub tasks: usize,
}

/// 75 (`EX_TEMPFAIL`).
impl From<Unfinished> for ExitCode {
    fn from(_: Unfinished) -> Self {
        Self::from(75)
    }
}

/// Whether a call that met this error wrote nothing, so that repeating it is safe even where it acts twice.
pub(crate) fn wrote_nothing(error: &BackendError) -> bool {
    matches!(error.kind(), ErrorKind::Busy | ErrorKind::Full | ErrorKind::ReadOnly)
}
