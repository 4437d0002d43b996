//! What backends and programs of Stent are tested with: the [conformance](mod@conformance) suite that every backend passes, the [reference model](memory) they are
//! [compared with](model), a [clock] that is moved by hand, a backend that is [faulty] as planned,
//! and callers that [give up](give_up_after).
#![cfg_attr(
    feature = "local",
    doc = "\n\nAuthors of durable functions test them with [`run_local`] and [`TestStent`], behind the feature `local`."
)]
#![doc = include_str!("../README.md")]

pub mod clock;
#[expect(clippy::panic, reason = "the cases are tests: they say what they expect by failing")]
pub mod conformance;
pub mod faulty;
mod give_up;
#[cfg(feature = "local")]
pub mod local;
pub mod memory;
#[expect(clippy::panic, reason = "it is a test: it says what it expects by failing")]
pub mod model;

pub use give_up::give_up_after;
#[cfg(feature = "local")]
pub use local::{TestError, TestExecution, TestStent, TestStentBuilder, local, run_local};
