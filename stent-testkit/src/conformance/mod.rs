//! The conformance suite: every contract of the backend traits as cases that a backend passes or fails.
//!
//! The author of a backend gives a way to open an isolated store; one line makes one `#[test]` a case of it, named
//! `conformance::<area>::<case>`:
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use stent_core::Backend;
//! use stent_testkit::conformance::Store;
//! # use stent_testkit::memory::{MemoryBackend, MemoryStore};
//!
//! struct Mine(MemoryStore);
//!
//! #[async_trait]
//! impl Store for Mine {
//!     async fn open(&self) -> Arc<dyn Backend> {
//!         Arc::new(MemoryBackend::open(&self.0))
//!     }
//! }
//!
//! stent_testkit::conformance!(|| async { Mine(MemoryStore::new()) });
//! ```
//!
//! Time is an argument of the traits, so no case sleeps. A case that fails says which contract demands what.
//!
//! To add a case, write `pub(super) async fn the_sentence(s: Fixture) -> Checked` in the file of its area and list it in
//! `registry.rs` or `registry_activations.rs`; one that is not listed does not compile without a warning.

mod acts;
pub(crate) mod builders;
mod registry;
mod registry_activations;
mod scenes;
mod store;

mod birth;
mod cancel;
mod child;
mod claim;
mod complete;
mod count;
mod dispatch;
mod expire;
mod fencing;
mod history;
mod inspect;
mod journal;
mod lease;
mod limits;
mod maintain;
mod memo;
mod race;
mod redrive;
mod refusal;
mod reopen;
mod resume;
mod retry;
mod signal;
mod suspend;
mod takeover;
mod tree;
mod variables;
mod wait;
mod wake;
mod worker;

use std::future::Future;
use std::pin::Pin;

pub use registry::REGISTRY;
pub use store::{Checked, Failed, Fixture, Store, Trouble};
#[doc(hidden)]
pub use store::{Opening, opening, run};

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its area: the file that it stands in.
    pub area: &'static str,
    /// Its name, a sentence.
    pub name: &'static str,
    /// The ids of the contracts that it checks.
    pub contracts: &'static [&'static str],
    /// Runs it on a fresh store.
    pub run: fn(Fixture) -> Pin<Box<dyn Future<Output = Checked> + Send>>,
}

/// Makes one `#[test]` a case, named `conformance::<area>::<case>`. Takes an expression that gives, when called, the future
/// of a [`Store`](crate::conformance::Store) of its own: `conformance!(|| async { … })`.
#[macro_export]
macro_rules! conformance {
    ($open:expr) => {
        fn stent_conformance_store() -> $crate::conformance::Opening {
            $crate::conformance::opening($open)
        }
        $crate::__conformance_cases!(__conformance_tests);
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($($area:ident { $($case:ident [$($contract:literal),+],)* })*) => {
        mod conformance {
            $(mod $area {
                $(#[test]
                fn $case() {
                    $crate::conformance::run(
                        stringify!($area),
                        stringify!($case),
                        super::super::stent_conformance_store,
                    );
                })*
            })*
        }
    };
}
