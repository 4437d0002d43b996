//! What backends and programs of Stent are tested with: the [conformance](mod@conformance) suite that every backend passes, the [reference model](memory) it is
//! compared with, a [clock] that is moved by hand, and a backend that is [faulty] as planned.

pub mod clock;
#[expect(clippy::panic, reason = "the cases are tests: they say what they expect by failing")]
pub mod conformance;
pub mod faulty;
pub mod memory;
