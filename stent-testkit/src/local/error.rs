//! Why a test's run did not come to its end.

use std::error::Error;
use std::time::Duration;
use std::{fmt, io};

use stent_core::name::FunctionName;
use stent_core::time::DurationTextError;
use stent_core::time::duration_text;
use stent_core::{BackendError, ExecutionId, Failure, Timestamp};
use stent_executor::{ExecutionError, Explanation, NoWorker, StentError, Why};

/// Why a test's run did not come to its end. Its `Debug` is its text, for tests that unwrap.
#[non_exhaustive]
pub enum TestError {
    /// The program could not be built, or the call not be dispatched.
    Stent(StentError),
    /// The execution ended, but not well.
    Execution(ExecutionError),
    /// The execution can never end: no code runs, nothing is due, and what is waited for has to come from the test.
    Stuck {
        /// The execution.
        execution: ExecutionId,
        /// What it and all below it waits for.
        why: Vec<Explanation>,
    },
    /// A function made other operations in a replay than in the run before (C-R4).
    Nondeterminism {
        /// The function.
        function: FunctionName,
        /// The turn, what was recorded and what was made.
        difference: String,
    },
    /// There was still something to run after the test's patience.
    Restless {
        /// The patience, in real time.
        patience: Duration,
        /// What the clock showed before.
        from: Timestamp,
        /// What it shows now.
        to: Timestamp,
        /// Where its open tasks are.
        why: Vec<Explanation>,
    },
    /// The time to skip is no duration.
    Duration(DurationTextError),
    /// The thread of the worker could not be started.
    Thread(io::Error),
    /// The thread of the worker is gone: it panicked.
    Gone,
}

impl TestError {
    /// The failure, if a function failed for good.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Execution(error) => error.failure(),
            _ => None,
        }
    }
}

impl fmt::Display for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stent(error) => error.fmt(f),
            Self::Execution(error) => error.fmt(f),
            Self::Stuck { execution, why } => {
                write!(
                    f,
                    "execution {execution} can never end: no code runs, nothing is due, and the test sends it nothing"
                )?;
                lines(f, why)
            }
            Self::Nondeterminism { function, difference } => {
                write!(f, "{function} does not replay, as its code is not deterministic: {difference}")
            }
            Self::Restless { patience, from, to, why } => {
                let (patience, skipped) = (duration_text::format(*patience), duration_text::format(to.since(*from)));
                write!(
                    f,
                    "not at rest after {patience} of real time, in which the clock was moved by {skipped} to {to}"
                )?;
                lines(f, why)
            }
            Self::Duration(error) => error.fmt(f),
            Self::Thread(error) => write!(f, "the thread of the test's worker cannot be started: {error}"),
            Self::Gone => f.write_str("the thread of the test's worker is gone: it panicked"),
        }
    }
}

/// A line for each task, and what to do about it where that is known.
fn lines(f: &mut fmt::Formatter<'_>, explanations: &[Explanation]) -> fmt::Result {
    for explanation in explanations {
        write!(f, "\n  {explanation}")?;
        if let Why::NoWorker(NoWorker::Function { .. }) = explanation.why {
            f.write_str("; add it to functions![…]")?;
        }
    }
    Ok(())
}

impl fmt::Debug for TestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for TestError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Their texts are this one's.
            Self::Stent(error) => error.source(),
            Self::Execution(error) => error.source(),
            Self::Thread(error) => Some(error),
            _ => None,
        }
    }
}

impl From<StentError> for TestError {
    fn from(error: StentError) -> Self {
        Self::Stent(error)
    }
}

impl From<ExecutionError> for TestError {
    fn from(error: ExecutionError) -> Self {
        Self::Execution(error)
    }
}

impl From<BackendError> for TestError {
    fn from(error: BackendError) -> Self {
        Self::Stent(error.into())
    }
}
