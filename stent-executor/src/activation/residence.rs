//! What activations of one worker know of each other: who waits in memory, whose code did not fit, what was warned of.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stent_core::TaskId;
use stent_core::name::FunctionName;
use tokio::sync::Notify;

use crate::settings::Settings;

/// The activations that only wait and are still in memory, the longest waiting first. Past the limit that one leaves at once (C-Q4).
#[derive(Debug)]
pub(crate) struct Residents {
    limit: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    by_age: BTreeMap<u64, Arc<Notify>>,
}

/// One activation that waits; dropped when it waits no more.
#[derive(Debug)]
pub(crate) struct Resident<'a> {
    residents: &'a Residents,
    age: u64,
    leave: Arc<Notify>,
}

impl Residents {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, waiting: Mutex::default() }
    }

    /// An activation begins to wait.
    pub(crate) fn enter(&self) -> Resident<'_> {
        let leave = Arc::new(Notify::new());
        let mut waiting = self.waiting();
        let age = waiting.next;
        waiting.next += 1;
        waiting.by_age.insert(age, Arc::clone(&leave));
        if waiting.by_age.len() > self.limit
            && let Some((_, oldest)) = waiting.by_age.pop_first()
        {
            oldest.notify_one();
        }
        Resident { residents: self, age, leave }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Resident<'_> {
    /// Waits until this one must leave memory for others.
    pub(crate) async fn leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Resident<'_> {
    fn drop(&mut self) {
        self.residents.waiting().by_age.remove(&self.age);
    }
}

/// How often each task was found not to fit its code, since it last made something new.
#[derive(Debug, Default)]
pub(crate) struct Divergences(Mutex<HashMap<TaskId, u32>>);

impl Divergences {
    /// The delay before a task is tried again: it doubles from time to time (C-R4).
    pub(crate) fn next(&self, task: TaskId, settings: &Settings) -> Duration {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(task).or_default();
        let delay = settings.divergence_delay.saturating_mul(2_u32.saturating_pow(*count));
        *count += 1;
        delay.min(settings.divergence_delay_max)
    }

    /// The task fits again.
    pub(crate) fn forget(&self, task: TaskId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&task);
    }
}

/// The functions that were found to await something outside of their context (C-R8).
#[derive(Debug, Default)]
pub(crate) struct ForeignAwaits(Mutex<HashSet<FunctionName>>);

impl ForeignAwaits {
    /// True if this is the first time that it is said of the function.
    pub(crate) fn is_news(&self, function: &FunctionName) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(function.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// C-Q4
    #[tokio::test]
    async fn past_the_limit_the_longest_waiting_leaves() {
        let residents = Residents::new(2);
        let (first, second) = (residents.enter(), residents.enter());
        let _third = residents.enter();
        first.leave().await;
        let _fourth = residents.enter();
        second.leave().await;
    }

    /// C-R4
    #[test]
    fn the_delay_of_a_divergence_doubles_up_to_its_limit() {
        let (divergences, settings) = (Divergences::default(), Settings::default());
        let task = TaskId::from_bytes([7; 16]);
        let delays: Vec<u64> = (0..10).map(|_| divergences.next(task, &settings).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        divergences.forget(task);
        assert_eq!(divergences.next(task, &settings), Duration::from_secs(1));
    }
}
