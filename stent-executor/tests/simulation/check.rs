//! What the store must hold in the end.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use stent_core::ExecutionId;
use stent_core::backend::{
    ExecutionFilter, Inspect as _, Journal as _, Outcomes as _, Page, ReadVariables as _, TaskFilter,
};
use stent_core::execution::ExecutionStatus;
use stent_core::journal::EntryBody;
use stent_core::name::VariableName;
use stent_core::outcome::{Ended, Outcome};
use stent_core::task::TaskRecord;
use stent_testkit::memory::{MemoryBackend, MemoryStore};

use crate::history::{Events, History};
use crate::job::{self, Expected};

/// The store in memory answers at once.
fn now<T>(answer: impl Future<Output = Result<T, stent_core::BackendError>>) -> T {
    answer.now_or_never().unwrap().unwrap()
}

fn tasks(store: &MemoryStore) -> Vec<TaskRecord> {
    now(MemoryBackend::open(store).list_tasks(&TaskFilter::default(), Page::first(10_000)))
}

/// True if there are so many executions, and all of them have ended, with all that is below them.
pub(crate) fn has_ended(store: &MemoryStore, executions: usize) -> bool {
    let tasks = tasks(store);
    tasks.iter().filter(|task| task.parent.is_none()).count() >= executions
        && tasks.iter().all(|task| task.state.is_final())
}

/// What has not ended.
pub(crate) fn open(store: &MemoryStore) -> String {
    let open = tasks(store).into_iter().filter(|task| !task.state.is_final());
    open.map(|task| format!("{} {} {}, due {:?}; ", task.function, task.id, task.state, task.due)).collect()
}

/// What is wrong.
pub(crate) fn check(store: &MemoryStore, history: &History, jobs: &[u64]) -> Vec<String> {
    let backend = MemoryBackend::open(store);
    let events = history.events();
    let mut wrong = Vec::new();
    let executions = now(backend.list_executions(&ExecutionFilter::default(), Page::first(1_000)));
    // Each has a key, and so exists once however often it was asked for (S5).
    let asked: BTreeSet<u64> = jobs.iter().copied().collect();
    if executions.len() != asked.len() || events.dispatched.len() > asked.len() {
        wrong.push(format!("{} jobs have {} executions", asked.len(), executions.len()));
    }
    for task in tasks(store) {
        let mut outcomes = BTreeSet::new();
        for entry in now(backend.load(task.id, task.generation)).entries {
            if let EntryBody::Outcome(id, _) = entry.body
                && !outcomes.insert(id.clone())
            {
                wrong.push(format!("{id} of {} has two outcomes", task.id));
            }
        }
    }
    for (job, id) in &events.dispatched {
        let ended = match now(backend.executions(&[*id])).pop() {
            Some(ExecutionStatus::Ended(ended)) => ended,
            other => {
                wrong.push(format!("{id} has not ended: {other:?}"));
                continue;
            }
        };
        wrong.extend(check_execution(*job, *id, &ended, &events));
        let count = now(backend.read(*id)).counters.get(&VariableName::new("count").unwrap()).copied();
        if matches!(ended.outcome, Outcome::Completed(_)) && count.unwrap_or_default() != job::counts(*job) {
            wrong.push(format!("{id} counted {count:?} for {} (C-V1)", job::counts(*job)));
        }
    }
    wrong
}

/// An execution's end is what its job says, and what clients saw.
fn check_execution(job: u64, id: ExecutionId, ended: &Ended, events: &Events) -> Option<String> {
    if events.seen.get(&id).is_some_and(|seen| *seen != ended.outcome) {
        return Some(format!("{id} was seen to end as {:?}, and has ended as {:?}", events.seen[&id], ended.outcome));
    }
    let results: Vec<u64> = match &ended.outcome {
        Outcome::Completed(results) => serde_json::from_slice(results.as_bytes()).unwrap(),
        Outcome::Cancelled if events.cancelled.contains(&id) => return None,
        other => return Some(format!("{id} ended as {other:?}")),
    };
    let steps = (0..).zip(job::operations(job)).filter(|(_, operation)| matches!(operation, job::Operation::Step));
    for (place, _) in steps {
        let step = (id.root(), job::step_name(place));
        if !events.begun.contains(&step) {
            return Some(format!("{} of {id} has a result, and never ran", step.1));
        }
    }
    let expected = job::expected(job);
    let sent = events.sent.get(&id).cloned().unwrap_or_default();
    let mut taken = BTreeSet::new();
    // A value is given once, and only one that was sent (S9).
    let mut fits = |(result, expected): (&u64, &Expected)| match expected {
        Expected::Exactly(value) => result == value,
        Expected::Signal(plus) => {
            let value = result.checked_sub(*plus);
            value.is_some_and(|value| value == 0 || sent.contains(&value) && taken.insert(value))
        }
        Expected::From(first, count) => (*first..first + count).contains(result),
    };
    let all_fit = results.len() == expected.len() && results.iter().zip(&expected).all(&mut fits);
    (!all_fit).then(|| format!("{id} came to {results:?} for {expected:?}, with {sent:?} sent"))
}
