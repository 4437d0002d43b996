//! Client, worker and context of Stent, durable execution for Rust.
#![doc = include_str!("../README.md")]

mod activation;
mod backoff;
mod batch;
mod cancel;
mod codec;
mod context;
mod control;
mod dispatch;
mod engine;
mod error;
mod function;
#[cfg(doctest)]
mod guides;
mod inspect;
mod named;
mod nudge;
mod options;
mod pace;
mod private;
mod registry;
mod settings;
mod slots;
mod stent;
mod system_clock;
mod telemetry;
mod wait;
mod why;
mod worker;

pub mod prelude;

/// What the expansion of the macros needs; not for use by hand.
#[doc(hidden)]
pub mod __private {
    pub use crate::private::*;
    pub use tokio;
}

// What a user of the client names; who writes a backend depends on `stent-core` itself.
pub use stent_core::backend::{
    DeadLetterFilter, ExecutionFilter, Page, ProgressCursor, ProgressEntry, ProgressEvent, RedriveTarget,
};
pub use stent_core::commit::RefusedRedrive;
pub use stent_core::dead_letter::DeadLetter;
pub use stent_core::error::ErrorKind;
pub use stent_core::execution::{ExecutionRecord, ExecutionState};
pub use stent_core::failure::IntoFailure;
pub use stent_core::name::{DedupKey, FunctionName, InvalidName, QueueName, Tag, Version};
pub use stent_core::retry::{ErrorClass, OnRetry, RetryPolicy};
pub use stent_core::time::{Clock, IntoDuration, Timestamp};
pub use stent_core::worker::WorkerState;
pub use stent_core::{Backend, BackendError, ExecutionId, Failure, TaskId, WorkerId};
pub use stent_macros::{ErrorClass, durable};

pub use codec::{Codec, CodecError, JsonCodec};
pub use context::*;
pub use dispatch::Execution;
pub use error::{ExecutionError, StentError, Unfinished};
pub use function::{DurableFunction, FunctionDefinition, MemoOption};
pub use inspect::VariablesSnapshot;
pub use named::NamedCall;
pub use options::{Call, InvalidCall};
pub use registry::{InvalidRegistry, Registration};
pub use stent::{Stent, StentBuilder};
pub use system_clock::SystemClock;
pub use telemetry::TraceContext;
pub use why::{Explanation, NoWorker, Why};
pub use worker::{Health, Worker, WorkerBuilder};

/// A result whose error is a [`Failure`], which takes `?` from any error.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// The class of an error, by variant; implemented by `#[derive(ErrorClass)]`.
pub trait ErrorClassed {
    /// The class: `PaymentError::Timeout`.
    fn class(&self) -> &'static str;

    /// The error itself as JSON, so that it comes back typed by [`Failure::details`].
    fn details(&self) -> Option<__private::Details> {
        None
    }
}

/// Fails the function with a text, formatted like that of `format!`: `bail!("order {id} has no lines")`. A shorthand for
/// `return Err(Failure::msg(…))`; errors that callers tell apart are types of their own, with classes.
#[macro_export]
macro_rules! bail {
    ($($text:tt)+) => {
        return ::std::result::Result::Err($crate::Failure::msg(::std::format!($($text)+)).into())
    };
}

/// Registers durable functions by name: `functions![charge, fulfil]`.
#[macro_export]
macro_rules! functions {
    ($($function:path),* $(,)?) => {
        ::std::vec![$($crate::Registration::of::<$function>()),*]
    };
}

/// Waits for all of several futures, as `tokio::join!` does, always polled in the order written: tokio's own begins with another one at every poll,
/// which replays no less as long as the function itself awaits it, but not inside of an unordered stream (C-R8).
#[macro_export]
macro_rules! join {
    ($($futures:tt)*) => {
        $crate::__private::tokio::join! { biased; $($futures)* }
    };
}

/// Waits for all of several futures or the first error, as `tokio::try_join!` does, always polled in the order written; see [`join`].
#[macro_export]
macro_rules! try_join {
    ($($futures:tt)*) => {
        $crate::__private::tokio::try_join! { biased; $($futures)* }
    };
}

/// Waits for the first of several futures, as `tokio::select!` does, always in the order written: a random order would not replay (C-R8).
#[macro_export]
macro_rules! select {
    ($($branches:tt)*) => {
        $crate::__private::tokio::select! { biased; $($branches)* }
    };
}

/// The pages of `features/`: their code compiles, and runs where it can.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../features/001-durable-functions.md")]
    struct DurableFunctions;
    #[doc = include_str!("../../features/002-dispatch-and-wait.md")]
    struct DispatchAndWait;
    #[doc = include_str!("../../features/003-journal-and-replay.md")]
    struct JournalAndReplay;
    #[doc = include_str!("../../features/004-steps-and-retries.md")]
    struct StepsAndRetries;
    #[doc = include_str!("../../features/005-maps.md")]
    struct Maps;
    #[doc = include_str!("../../features/006-workers.md")]
    struct Workers;
    #[doc = include_str!("../../features/007-conformance.md")]
    struct Conformance;
    #[doc = include_str!("../../features/008-sqlite.md")]
    struct Sqlite;
    #[doc = include_str!("../../features/009-testing.md")]
    struct Testing;
    #[doc = include_str!("../../features/011-timeouts.md")]
    struct Timeouts;
    #[doc = include_str!("../../features/012-signals.md")]
    struct Signals;
    #[doc = include_str!("../../features/013-sleeping-and-suspension.md")]
    struct SleepingAndSuspension;
    #[doc = include_str!("../../features/014-cancellation.md")]
    struct Cancellation;
    #[doc = include_str!("../../features/015-dead-letters-and-redrive.md")]
    struct DeadLettersAndRedrive;
    #[doc = include_str!("../../features/016-memo.md")]
    struct Memo;
    #[doc = include_str!("../../features/017-queues-and-limits.md")]
    struct QueuesAndLimits;
    #[doc = include_str!("../../features/018-variables-and-progress.md")]
    struct VariablesAndProgress;
    #[doc = include_str!("../../features/019-versions.md")]
    struct Versions;
    #[doc = include_str!("../../features/020-retention.md")]
    struct Retention;
    #[doc = include_str!("../../features/021-why.md")]
    struct WhyIsItNotRunning;
    #[doc = include_str!("../../features/022-transactional-dispatch.md")]
    struct TransactionalDispatch;
    #[doc = include_str!("../../features/023-postgresql.md")]
    struct Postgresql;
    #[doc = include_str!("../../features/024-scale.md")]
    struct Scale;
}
