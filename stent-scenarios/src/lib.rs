//! Whole programs on every backend: scenarios, and the contracts that only show from the outside.
//!
//! A file of `tests/` writes its tests as functions of a [`Bench`] and ends with [`on_every_backend!`], which runs each of them on each backend.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "only tests use it, and fail by it")]

mod bench;
mod gates;
mod ledger;
pub mod probe;
mod process;
pub mod serve;
#[path = "../../stent-backend-postgres/tests/server/mod.rs"]
mod server;
mod stage;

pub use bench::{Bench, soon};
pub use gates::Gates;
pub use ledger::Ledger;
pub use probe::Probe;
pub use process::Process;
pub use stage::{Stage, work};

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
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test($crate::Bench::postgres()).await; })*
        }
    };
}

/// Runs tests on every database, which is not in memory: `on_every_database![a_thing_is_so, another_is, …];`, each an `async fn(Bench)`.
#[macro_export]
macro_rules! on_every_database {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $test() { super::$test($crate::Bench::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $test() { super::$test($crate::Bench::postgres()).await; })*
        }
    };
}

/// Runs tests on every backend at worker concurrency 1, 2 and 20: `at_every_concurrency![a_thing_is_so, another_is, …];`, each an
/// `async fn(Bench, usize)`.
#[macro_export]
macro_rules! at_every_concurrency {
    (@on $backend:ident: $($test:ident)*) => {
        mod $backend {
            mod concurrency_1 {
                $(#[tokio::test] async fn $test() { super::super::$test($crate::Bench::$backend(), 1).await; })*
            }
            mod concurrency_2 {
                $(#[tokio::test] async fn $test() { super::super::$test($crate::Bench::$backend(), 2).await; })*
            }
            mod concurrency_20 {
                $(#[tokio::test] async fn $test() { super::super::$test($crate::Bench::$backend(), 20).await; })*
            }
        }
    };
    ($($test:ident),* $(,)?) => {
        $crate::at_every_concurrency! { @on memory: $($test)* }
        $crate::at_every_concurrency! { @on sqlite: $($test)* }
        $crate::at_every_concurrency! { @on postgres: $($test)* }
    };
}
