//! Tests of durable functions: a store in memory, a worker, and a clock that skips whatever nobody needs to wait for. A workflow of a month takes milliseconds.
//!
//! [`run_local`] runs one call to its end. A [`TestStent`] is a whole program, for tests that send signals, look around or crash on the way.
//!
//! The worker is that of production; what is different is who moves the clock. The `process` of the worker runs on a thread and runtime of its own, whose
//! `parking` tells when nothing is left to run; then the `drive`r moves the `clock` to the next event.

mod builder;
mod clock;
mod drive;
mod error;
mod parking;
mod process;
mod test_stent;

pub use builder::TestStentBuilder;
pub use error::TestError;
pub use test_stent::{TestExecution, TestStent};

use stent_executor::{Call, DurableFunction, Registration};

/// Runs a call to its end, in memory and with all waits skipped, and gives its result. For a function that calls no other; [`local`] knows more.
///
/// ```
/// use stent_executor::prelude::*;
/// use stent_testkit::run_local;
///
/// #[durable]
/// async fn remind(ctx: Ctx, whom: String) -> Result<String> {
///     ctx.sleep("30d").await?;
///     Ok(format!("{whom}, it is {}", ctx.now()))
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// assert_eq!(run_local(remind("Ada".into())).await.unwrap(), "Ada, it is 2030-01-31T00:00:00.000000");
/// # }
/// ```
///
/// # Errors
/// As [`TestExecution::result`]; [`TestError::Stent`], [`TestError::Thread`].
pub async fn run_local<F: DurableFunction>(call: Call<F>) -> Result<F::Output, TestError> {
    TestStent::builder().run(call).await
}

/// A test's program with these functions: `local(functions![charge]).resource(FakeGateway::default()).run(fulfil(order)).await`.
pub fn local(functions: impl IntoIterator<Item = Registration>) -> TestStentBuilder {
    TestStent::builder().functions(functions)
}
