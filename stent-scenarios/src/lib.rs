//! Whole programs on every backend: scenarios, and the contracts that only show from the outside.
//!
//! A file of `tests/` writes its tests as functions of a [`Bench`] and ends with [`on_every_backend!`], which runs each of them on each backend.
#![expect(clippy::unwrap_used, clippy::panic, reason = "only tests use it, and fail by it")]

mod bench;
mod gates;
mod ledger;
mod process;

pub use bench::{Bench, soon};
pub use gates::Gates;
pub use ledger::Ledger;
pub use process::Process;

/// Runs tests on every backend: `on_every_backend![a_thing_is_so, another_is, …];`, each an `async fn(Bench)`.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test] async fn $test() { super::$test($crate::Bench::memory()).await; })*
        }
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::$test($crate::Bench::sqlite()).await; })*
        }
    };
}
