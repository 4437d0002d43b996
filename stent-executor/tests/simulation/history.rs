//! What is known outside of the store: what code did, and what clients asked and were told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use stent_core::outcome::Outcome;
use stent_core::task::TaskState;
use stent_core::{Backend, ExecutionId, TaskId, WorkerId};

/// What all processes and clients did.
#[derive(Debug, Clone, Default)]
pub(crate) struct History(Arc<Mutex<Events>>);

#[derive(Debug, Default)]
pub(crate) struct Events {
    /// The executions of jobs that a client was told of.
    pub(crate) dispatched: BTreeMap<u64, ExecutionId>,
    /// The executions of which a cancel was asked for.
    pub(crate) cancelled: BTreeSet<ExecutionId>,
    /// The values that were asked to be sent.
    pub(crate) sent: BTreeMap<ExecutionId, BTreeSet<u64>>,
    /// How clients saw executions end.
    pub(crate) seen: BTreeMap<ExecutionId, Outcome>,
    /// The code that began, by task and name.
    pub(crate) begun: BTreeSet<(TaskId, String)>,
    /// What must never be.
    pub(crate) violations: Vec<String>,
}

impl History {
    pub(crate) fn events(&self) -> MutexGuard<'_, Events> {
        self.0.lock().unwrap()
    }

    pub(crate) fn violated(&self, what: String) {
        self.events().violations.push(what);
    }

    /// A client was told of an execution of this job (S5).
    pub(crate) fn dispatched(&self, job: u64, execution: ExecutionId) {
        let before = self.events().dispatched.insert(job, execution);
        if before.is_some_and(|before| before != execution) {
            self.violated(format!("job {job} has two executions, {execution} and {before:?}"));
        }
    }

    /// A client saw an execution end (S7).
    pub(crate) fn ended(&self, execution: ExecutionId, outcome: Outcome) {
        let mut events = self.events();
        let before = events.seen.insert(execution, outcome.clone());
        if before.as_ref().is_some_and(|before| *before != outcome) {
            events.violations.push(format!("{execution} was seen to end twice: {before:?}, {outcome:?}"));
        }
    }
}

/// What the code of one process tells the history, with a way to the store that no fault is in.
pub(crate) struct Ledger {
    pub(crate) truth: Arc<dyn Backend>,
    pub(crate) history: History,
    /// The worker of the process.
    pub(crate) worker: Arc<OnceLock<WorkerId>>,
}

impl Ledger {
    /// Code began: of a task that its process holds (S2), and nothing that is recorded (S3, L6).
    pub(crate) async fn began(&self, task: TaskId, name: &str, is_recorded: bool) {
        self.history.events().begun.insert((task, name.to_owned()));
        if is_recorded {
            self.history.violated(format!("{name} of {task} began though it is recorded"));
        }
        let Ok(Some(record)) = self.truth.task(task).await else { return };
        let holder = record.worker.filter(|_| record.state == TaskState::Running);
        if holder.is_some() && holder != self.worker.get().copied() {
            self.history.violated(format!("{name} of {task} began here, and another worker holds the task"));
        }
    }
}
