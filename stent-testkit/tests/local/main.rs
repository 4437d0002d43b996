//! Tests of tests: whole programs in memory, with a clock that skips time.

mod time;
