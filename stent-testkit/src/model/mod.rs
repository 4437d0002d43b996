//! The differential test: random histories of trait calls have the same answers on a backend and on the [reference model](crate::memory).
//!
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! # use stent_core::Backend;
//! # use stent_testkit::conformance::Store;
//! # use stent_testkit::memory::{MemoryBackend, MemoryStore};
//! # struct Mine(MemoryStore);
//! # #[async_trait]
//! # impl Store for Mine {
//! #     async fn open(&self) -> Arc<dyn Backend> {
//! #         Arc::new(MemoryBackend::open(&self.0))
//! #     }
//! # }
//! stent_testkit::differential!(|| async { Mine(MemoryStore::new()) });
//! ```
//!
//! A history has 40 moments or more, each of which makes one call or more: of every method of every trait, with arguments that are chosen
//! among what there is by then, and now and then among what is stale or wrong. Every answer is compared whole, and at the end, and sometimes
//! before, all that can be read. What is not compared is what the contracts leave free; `call.rs` says what and why. Besides:
//!
//! - Histories stay far below [`BATCH`](stent_core::limits::BATCH) rows, so that nothing depends on which of equals a batch takes first, nor on
//!   what is left of an execution that is deleted in parts.
//! - A token is never used again once something that it gave was given up, and a write bears the generation that its claim was given.
//!
//! 256 histories are run, by the seeds 0 to 255. `STENT_HISTORIES=20000 cargo test -p <crate> --test differential` runs more, `STENT_SEED=1234`
//! runs one, by the seed that a failure prints.

mod act;
mod call;
mod choices;
mod end;
mod history;
mod journal;
mod look;
mod plan;
mod report;
mod run;
mod shrink;
mod tally;
mod turn;

use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use stent_core::Backend;

use crate::conformance::{Store, opening};
use crate::memory::{MemoryBackend, MemoryStore};
use run::{Looks, live};
use shrink::{Histories, Shrinking};
pub use tally::Tally;

/// How many histories are run if nobody says otherwise.
pub const HISTORIES: u64 = 256;

/// Makes one `#[test]`: random histories have the same answers on this backend and on the reference model. Takes what
/// [`conformance!`](crate::conformance!) takes.
#[macro_export]
macro_rules! differential {
    ($open:expr) => {
        #[test]
        fn random_histories_have_the_answers_of_the_model() {
            $crate::model::demand($open);
        }
    };
}

/// Runs as many histories as are asked for; what `differential!` puts into its `#[test]`.
#[doc(hidden)]
pub fn demand<S, F>(open: impl Fn() -> F + Sync)
where
    S: Store,
    F: Future<Output = S> + Send + 'static,
{
    let seeds = match (number("STENT_SEED"), number("STENT_HISTORIES")) {
        (Some(seed), _) => seed..seed + 1,
        (None, histories) => 0..histories.unwrap_or(HISTORIES),
    };
    if let Some(seed) = first_difference(seeds, &open) {
        panic!("STENT_SEED={seed}\n{}", explain(seed, &open));
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(error) => panic!("{variable} must be a number, not {text:?}: {error}"),
    }
}

/// The least of these seeds whose history has other answers on this store than on the reference model.
pub fn first_difference<S, F>(seeds: Range<u64>, open: &(impl Fn() -> F + Sync)) -> Option<u64>
where
    S: Store,
    F: Future<Output = S> + Send + 'static,
{
    let next = AtomicU64::new(seeds.start);
    let found = AtomicU64::new(seeds.end);
    let work = || {
        let runtime = runtime();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= found.load(Ordering::Relaxed) {
                break;
            }
            let (_, tree) = make(seed);
            if live(&runtime, &tree.current(), opening(open), Looks::Some).is_err() {
                found.fetch_min(seed, Ordering::Relaxed);
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    Some(found.into_inner()).filter(|seed| *seed < seeds.end)
}

/// What the histories of these seeds meet, by call and answer.
pub fn tally(seeds: Range<u64>) -> Tally {
    let runtime = runtime();
    let mut tally = Tally::new();
    for seed in seeds {
        let (_, tree) = make(seed);
        match live(&runtime, &tree.current(), opening(|| async { Model(MemoryStore::new()) }), Looks::Some) {
            Ok(done) => tally::count(&mut tally, &done),
            Err(report) => panic!("the model differs from itself:\n{report}"),
        }
    }
    tally
}

/// The shortest history found that differs like this seed's, and where.
pub fn explain<S, F>(seed: u64, open: &(impl Fn() -> F + Sync)) -> String
where
    S: Store,
    F: Future<Output = S> + Send + 'static,
{
    let runtime = runtime();
    let (mut runner, tree) = make(seed);
    let found = runner.run_one(tree, |moments| {
        live(&runtime, &moments, opening(open), Looks::Some).map(drop).map_err(TestCaseError::fail)
    });
    let Err(TestError::Fail(reason, moments)) = found else { return "no difference at the second time".to_owned() };
    // The call after which the two are not the same any more comes before the one that shows it.
    let sooner = live(&runtime, &moments, opening(open), Looks::AfterEveryCall);
    sooner.map_or_else(|report| report, |_| reason.to_string())
}

/// The model as a store that is compared with it.
struct Model(MemoryStore);

#[async_trait]
impl Store for Model {
    async fn open(&self) -> Arc<dyn Backend> {
        Arc::new(MemoryBackend::open(&self.0))
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("no runtime: {error}"))
}

/// A seed's history, and who shrinks it.
fn make(seed: u64) -> (TestRunner, Shrinking) {
    let mut runner = TestRunner::new(Config {
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 120_000,
        ..Config::default()
    });
    match Histories.new_tree(&mut runner) {
        Ok(tree) => (runner, tree),
        Err(reason) => panic!("no history of seed {seed}: {reason}"),
    }
}
