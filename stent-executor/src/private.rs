//! What the expansion of the macros needs, and the benchmarks. Not for use by hand: it changes without notice.

pub mod paths;

use std::error::Error;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stent_core::Failure;
use stent_core::failure::IntoFailure;
use stent_core::retry::ErrorClass;

/// A serialised error.
pub type Details = serde_json::Value;

/// What `retry(…)` says.
#[derive(Debug, Clone, Copy, Default)]
pub struct RetryOptions {
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// The delay before the first retry.
    pub initial_delay: Option<Duration>,
    /// By what the delay grows.
    pub factor: Option<f64>,
    /// The longest delay.
    pub max_delay: Option<Duration>,
    /// How far a delay is spread.
    pub jitter: Option<f64>,
    /// The classes that are retried.
    pub retry_for: Option<&'static [&'static str]>,
    /// What becomes of the journal.
    pub on_retry: Option<&'static str>,
}

/// Reads a duration literal while compiling.
#[track_caller]
#[must_use]
#[expect(clippy::panic, reason = "it runs while compiling, where a panic is a compile error at the literal")]
pub const fn duration(text: &str) -> Duration {
    match stent_core::time::duration_text::parse(text) {
        Ok(duration) => duration,
        Err(_) => panic!("invalid duration: expected forms like 90s, 1h30m, 2d, 100ms"),
    }
}

/// What a durable function returns.
#[diagnostic::on_unimplemented(
    message = "a durable function returns a `Result`, not `{Self}`",
    note = "write `Result<T>` of the prelude, or a `Result<T, E>` with an error of your own"
)]
pub trait DurableResult {
    /// The value of success.
    type Value;
}

impl<T, E> DurableResult for Result<T, E> {
    type Value = T;
}

/// Demands what an argument must be.
pub fn assert_argument<T: Serialize + DeserializeOwned + Send + 'static>() {}

/// Demands what a result must be.
pub fn assert_output<R: DurableResult>()
where
    R::Value: Serialize + DeserializeOwned + Send + 'static,
{
}

/// Serialises an error, so that it comes back typed; one that does not serialise has no details.
pub fn details<T: Serialize>(error: &T) -> Option<Details> {
    serde_json::to_value(error).ok()
}

/// Chooses among the conversions of an error by its type, by autoref specialisation.
#[derive(Debug)]
pub struct Tag<E>(PhantomData<fn() -> E>);

impl<E> Tag<E> {
    /// A tag for this error's type.
    pub fn new(_: &E) -> Self {
        Self(PhantomData)
    }
}

/// An error that derives `ErrorClass`.
pub trait ByClass<E> {
    /// The failure, classed by variant.
    fn failure(&self, error: E) -> Failure;
}

impl<E: crate::ErrorClassed + Error + Send + Sync + 'static> ByClass<E> for &&Tag<E> {
    fn failure(&self, error: E) -> Failure {
        let class = ErrorClass::new(error.class()).unwrap_or_else(|_| ErrorClass::of::<E>());
        let details = error.details();
        Failure::from_error(class, &error).with_details(details)
    }
}

/// A failure.
pub trait ByFailure {
    /// The failure itself.
    fn failure(&self, error: Failure) -> Failure;
}

impl ByFailure for &Tag<Failure> {
    fn failure(&self, error: Failure) -> Failure {
        error
    }
}

/// Any other error.
pub trait ByError<E> {
    /// The failure, classed by type.
    fn failure(&self, error: E) -> Failure;
}

impl<E: Into<Box<dyn Error + Send + Sync>>> ByError<E> for Tag<E> {
    fn failure(&self, error: E) -> Failure {
        error.into_failure()
    }
}
