//! The ten traits of a storage backend, in the order in which an execution meets them: dispatch, claim, journal, complete, wait;
//! then signal, memo, variables, inspect, maintain.
//!
//! A method is one intent and one transaction; nobody reads a record, changes it and writes it back. What holds for all of them:
//!
//! - Calls are atomic: a call that answers `Err` wrote all of it or nothing. Where that is not known
//!   ([`ErrorKind::Unavailable`](crate::error::ErrorKind::Unavailable)) the same call may be repeated: it acts once and answers as the first would have (C-Q2).
//! - A call whose future is dropped happens whole or not at all, and leaves nothing behind that hinders the next.
//! - `now` is the only time a backend knows (C-X2).
//! - A batch answers per item, in the order of the items. Items of one batch concern different tasks.
//! - A row that cannot be read is an error of that row alone
//!   ([`ErrorKind::CorruptRow`](crate::error::ErrorKind::CorruptRow)); it hinders no claim and no listing of others.
//! - Writes under a claim are fenced by its token: they are answered `ClaimLost`, and write nothing, once another has claimed the task, or it was
//!   cancelled or has ended otherwise. The token decides, not the clock (C-Q2).
//!
//! The conformance suite of `stent-testkit` checks every numbered contract through these traits.

mod claim;
mod complete;
mod dispatch;
mod inspect;
mod journal;
mod maintain;
mod memo;
mod signal;
mod variables;
mod wait;

use async_trait::async_trait;

pub use claim::Claims;
pub use complete::Completion;
pub use dispatch::{Dispatch, RedriveTarget};
pub use inspect::{
    DeadLetterFilter, ExecutionFilter, Inspect, Page, ProgressCursor, ProgressEntry, ProgressEvent, TaskCount,
    TaskFilter,
};
pub use journal::Journal;
pub use maintain::{Examination, Maintenance, Pruned};
pub use memo::Memos;
pub use signal::Signals;
pub use variables::ReadVariables;
pub use wait::{Outcomes, Watch};

use crate::id::ExecutionId;

/// A storage backend: all ten traits. Implemented for whatever implements them; held as `Arc<dyn Backend>`.
pub trait Backend:
    Dispatch
    + Claims
    + Journal
    + Completion
    + Outcomes
    + Signals
    + Memos
    + ReadVariables
    + Inspect
    + Maintenance
    + HasWakeUps
{
}

impl<T> Backend for T where
    T: Dispatch
        + Claims
        + Journal
        + Completion
        + Outcomes
        + Signals
        + Memos
        + ReadVariables
        + Inspect
        + Maintenance
        + HasWakeUps
{
}

/// A hint that something happened. Hints may be lost or repeated; the store is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hint {
    /// Tasks may be free to claim, or will be when they fall due: the next claim tells when, and of deadlines.
    TasksReady,
    /// Tasks have ended; some parent may wait for one.
    TasksEnded,
    /// This execution has ended.
    ExecutionEnded(ExecutionId),
    /// A signal was sent to this execution.
    Signalled(ExecutionId),
    /// Anything may have happened: hints were lost, or another process wrote.
    Anything,
}

/// A stream of hints.
#[async_trait]
pub trait WakeUps: Send {
    /// The next hint. Never ends; it may be dropped at any point without losing more than one hint.
    async fn next(&mut self) -> Hint;
}

/// Whether a backend has hints. Everything is correct without them; polling finds what they would have told.
pub trait HasWakeUps: Send + Sync {
    /// A new stream of hints, from now on; `None` if the backend has none.
    fn wake_ups(&self) -> Option<Box<dyn WakeUps>> {
        None
    }
}
