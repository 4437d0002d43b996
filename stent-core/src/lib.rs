//! The pure core of Stent, durable execution for Rust: what executions, tasks, claims and journals are, how failures are
//! retried, what time is, and the ten traits that a storage backend implements. No I/O, no runtime, no driver.
#![doc = include_str!("../README.md")]

pub mod backend;
pub mod claim;
pub mod commit;
pub mod dead_letter;
pub mod error;
pub mod execution;
pub mod failure;
pub mod id;
pub mod journal;
pub mod limits;
pub mod memo;
pub mod name;
pub mod operation;
pub mod outcome;
pub mod payload;
pub mod retry;
pub mod signal;
pub mod task;
pub mod time;
pub mod variable;
pub mod worker;

pub use backend::Backend;
pub use error::BackendError;
pub use failure::Failure;
pub use id::{ClaimToken, ExecutionId, SignalId, TaskId, WorkerId};
pub use outcome::Outcome;
pub use payload::{Fingerprint, Payload};
pub use retry::{ErrorClass, RetryPolicy};
pub use time::{Clock, Timestamp};
