//! The checker: ledger, history and database against the invariants. Calls of which nobody knows conclude nothing.
//!
//! [`gather`](gather::gather) reads, [`judge`] judges; S6 is asked of the database all the time ([`witness`]).

mod clients;
mod edges;
pub(crate) mod gather;
mod maps;
mod signals;
mod steps;
#[cfg(test)]
mod tests;
pub(crate) mod witness;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use stent_core::task::TaskState;
use stent_core::{ExecutionId, TaskId};

use crate::Result;
use crate::arguments::Arguments;
use crate::history::Recorded;
use crate::ledger::Effect;
use crate::place::Place;

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence {
    pub(crate) effects: Vec<Effect>,
    pub(crate) calls: Vec<Recorded>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    /// Every change of a task's state or claim, in their order, if they were audited.
    pub(crate) edges: Option<Vec<Edge>>,
    /// Values that no wait has taken.
    pub(crate) slots: BTreeMap<ExecutionId, u64>,
    /// Operations with more than one recorded outcome.
    pub(crate) repeated: Vec<(TaskId, String)>,
    /// Executions that had nothing to wake them.
    pub(crate) limbo: Vec<(ExecutionId, String)>,
    /// How often the server crashed. Each time it may have forgotten a claim, unless that was of a task's last attempt.
    pub(crate) crashes: u32,
}

/// A task as the database has it.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    pub(crate) execution: ExecutionId,
    pub(crate) parent: Option<TaskId>,
    pub(crate) index: Option<u32>,
    pub(crate) function: String,
    pub(crate) state: TaskState,
    pub(crate) attempt: u32,
    /// Of roots: the arguments, the first of which is the number.
    pub(crate) input: Vec<serde_json::Value>,
    /// The result, as JSON.
    pub(crate) output: Option<String>,
}

/// A change of a task.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edge {
    pub(crate) task: TaskId,
    /// None if it was made.
    pub(crate) was: Option<TaskState>,
    pub(crate) is: TaskState,
    pub(crate) token: Option<String>,
    pub(crate) reopened: bool,
}

/// An invariant that does not hold, where, and how one knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) execution: Option<ExecutionId>,
    pub(crate) evidence: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.invariant)?;
        if let Some(execution) = self.execution {
            write!(f, "execution {execution}: ")?;
        }
        f.write_str(&self.evidence)
    }
}

impl Violation {
    pub(crate) fn of(
        invariant: &'static str,
        execution: impl Into<Option<ExecutionId>>,
        evidence: impl Into<String>,
    ) -> Self {
        Self { invariant, execution: execution.into(), evidence: evidence.into() }
    }
}

impl Evidence {
    /// What to say of a task whose row may be gone.
    fn execution_of(&self, task: TaskId) -> Option<ExecutionId> {
        self.tasks.get(&task).map(|task| task.execution)
    }

    fn roots(&self) -> impl Iterator<Item = (&TaskId, &Task)> {
        self.tasks.iter().filter(|(_, task)| task.parent.is_none())
    }
}

/// All that does not hold.
pub(crate) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut found = steps::judge(evidence);
    found.extend(edges::judge(evidence));
    found.extend(clients::judge(evidence));
    found.extend(signals::judge(evidence));
    found.extend(maps::judge(evidence));
    let limbo = evidence.limbo.iter();
    found.extend(limbo.map(|(execution, what)| Violation::of("S6", *execution, what.clone())));
    found
}

/// `check`: judges what a run has left.
pub(crate) async fn command(arguments: &Arguments) -> Result<ExitCode> {
    let place: Place = arguments.needed("dsn")?.parse()?;
    let (ledger, history) = (Path::new(arguments.needed("ledger")?), Path::new(arguments.needed("history")?));
    let evidence = gather::gather(&place, ledger, &[history.to_owned()]).await?;
    let found = judge(&evidence);
    found.iter().for_each(|violation| println!("{violation}"));
    let (tasks, effects, calls) = (evidence.tasks.len(), evidence.effects.len(), evidence.calls.len());
    println!("{} violations; {tasks} tasks, {effects} effects, {calls} calls", found.len());
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
