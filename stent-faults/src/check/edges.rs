//! How tasks changed, by the audit: S1, S2, S7, S8.

use std::collections::{BTreeMap, BTreeSet};

use stent_core::TaskId;
use stent_core::task::TaskState;

use super::{Edge, Evidence, Violation};

pub(super) fn judge(evidence: &Evidence) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut tokens: BTreeMap<TaskId, BTreeSet<&str>> = BTreeMap::new();
    let mut last: BTreeMap<TaskId, TaskState> = BTreeMap::new();
    let mut cancelled = BTreeSet::new();
    for edge in evidence.edges.iter().flatten() {
        let Edge { task, is, .. } = edge;
        let execution = evidence.execution_of(*task);
        let mut say =
            |invariant, what: String| found.push(Violation::of(invariant, execution, format!("task {task}: {what}")));
        if let Some(was) = edge.was {
            if last.get(task).is_some_and(|last| *last != was) {
                say("S7", format!("it was {was} though it had become {:?}", last.get(task)));
            }
            if was.is_final() && is.is_final() && was != *is {
                say("S1", format!("it ended as {was}, and then as {is}"));
            }
            let moved = was != *is || *is == TaskState::Running;
            if moved && (!was.can_become(*is) || was.is_final() && !edge.reopened) {
                say("S7", format!("from {was} to {is}"));
            }
        } else if matches!(is, TaskState::Suspended | TaskState::Failed | TaskState::TimedOut | TaskState::Cancelled) {
            say("S7", format!("it was made {is}"));
        }
        if *is == TaskState::Running {
            match edge.token.as_deref() {
                Some(token) if tokens.entry(*task).or_default().insert(token) => {}
                token => say("S2", format!("claimed again with the token {token:?}")),
            }
            if execution.is_some_and(|execution| cancelled.contains(&execution.root())) && !edge.reopened {
                say("S8", "claimed after its execution was cancelled".into());
            }
        }
        if *is == TaskState::Cancelled {
            cancelled.insert(*task);
        }
        last.insert(*task, *is);
    }
    found
}
