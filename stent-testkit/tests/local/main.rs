//! Tests of tests: whole programs in memory, with a clock that skips time.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

mod crash;
mod same;
mod scale;
mod stuck;
mod time;
mod waits;
