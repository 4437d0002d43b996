//! Metrics, told to whatever recorder the program has installed: nothing is counted without one. `features/027-telemetry.md` lists them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::time::Duration;

use metrics::{SharedString, counter, gauge, histogram};
use stent_core::name::FunctionName;

/// An execution was dispatched here.
pub(crate) fn dispatched(function: &FunctionName) {
    tell(|| counter!("stent_dispatches_total", "function" => label(function)).increment(1));
}

/// A claim of a task begins to run.
pub(crate) fn claimed(function: &FunctionName) {
    tell(|| counter!("stent_claims_total", "function" => label(function)).increment(1));
}

/// So many more claims have an end that is not known yet, or so many less.
pub(crate) fn active(change: f64) {
    tell(|| gauge!("stent_active_tasks").increment(change));
}

/// What a claim came to, in this time since it began here.
pub(crate) fn left(function: &FunctionName, outcome: &'static str, took: Duration) {
    tell(|| {
        histogram!("stent_activation_seconds", "function" => label(function), "outcome" => outcome).record(took);
    });
}

/// A task failed for good and left a dead letter.
pub(crate) fn dead_letter(function: &FunctionName) {
    tell(|| counter!("stent_dead_letters_total", "function" => label(function)).increment(1));
}

/// A run of a step's code: `completed`, `failed`, or `retried` if it will run again.
pub(crate) fn step(outcome: &'static str) {
    tell(|| counter!("stent_steps_total", "outcome" => outcome).increment(1));
}

/// The store did not do what a worker asked: `claim`, `renew` or `complete`.
pub(crate) fn store_error(call: &'static str) {
    tell(|| counter!("stent_store_errors_total", "call" => call).increment(1));
}

fn label(function: &FunctionName) -> SharedString {
    SharedString::from_shared(function.clone().into())
}

/// A recorder that panics loses its metric, and nothing else.
fn tell(metric: impl FnOnce()) {
    static WARNED: Once = Once::new();
    if catch_unwind(AssertUnwindSafe(metric)).is_err() {
        WARNED.call_once(|| tracing::warn!("the recorder of metrics panicked"));
    }
}
