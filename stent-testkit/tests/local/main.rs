//! Tests of tests: whole programs in memory, with a clock that skips time.

mod crash;
mod same;
mod scale;
mod stuck;
mod time;
mod waits;
